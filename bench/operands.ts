/** The values of an operator's operands as bytes in the order of memory that a peer wants, made on our device. */
import { createTensor, readBytes, sizeOf } from '../src/engine/gpu/tensor.ts';
import { Filler } from './fill.ts';
import type { ElementType } from './contender.ts';
import type { Layout, Operator } from './operators/operator.ts';

/** Resolves to the bytes of an operand, row-major in the layout's order, nothing padded. */
export type OperandBytes = (
  name: string,
  layout: Layout,
  type: ElementType,
) => Promise<ArrayBuffer>;

/** Returns the operands of an operator. */
export function operandBytes(device: GPUDevice, operator: Operator): OperandBytes {
  const filler = new Filler(device);
  return async (name, { order }, type) => {
    const operand = operator.operands[name];
    if (!operand) throw new Error(`${operator.name} has no operand ${name}`);
    const flat = createTensor(device, name, [sizeOf(operand.shape)], type);
    try {
      filler.write(flat, operand.fill, operand.shape, order);
      const bytes = await readBytes(device, flat);
      return bytes.slice(0, sizeOf(operand.shape) * (type === 'f16' ? 2 : 4));
    } finally {
      flat.buffer.destroy();
    }
  };
}
