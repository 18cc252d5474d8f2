/** The values of operands as bytes in the order of memory that a peer wants, made on our device. */
import { createTensor, readBytes, sizeOf } from '../src/engine/gpu/tensor.ts';
import { Filler } from './fill.ts';
import type { ElementType } from './contender.ts';
import type { Layout, Operand } from './operators/operator.ts';

/** Resolves to the bytes of an operand, row-major in the layout's order, nothing padded. */
export type OperandBytes = (
  operand: Operand,
  layout: Layout,
  type: ElementType,
) => Promise<ArrayBuffer>;

/** Returns the maker of operands on a device. */
export function operandBytes(device: GPUDevice): OperandBytes {
  const filler = new Filler(device);
  return async ({ shape, fill }, { order }, type) => {
    const flat = createTensor(device, 'operand', [sizeOf(shape)], type);
    try {
      filler.write(flat, fill, shape, order);
      const bytes = await readBytes(device, flat);
      return bytes.slice(0, sizeOf(shape) * (type === 'f16' ? 2 : 4));
    } finally {
      flat.buffer.destroy();
    }
  };
}
