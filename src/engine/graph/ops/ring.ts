/** Rings of keys and values: memory of fixed size that the newest block of a stream takes its place in. */
import { rowsOf } from '../../gpu/tensor.ts';
import { ringRead as readKernel } from '../../kernels/ring-read.ts';
import { ringReadInt8 as readInt8 } from '../../kernels/ring-read-int8.ts';
import { ringWrite as writeKernel } from '../../kernels/ring-write.ts';
import { ringWriteInt8 as writeInt8 } from '../../kernels/ring-write-int8.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

/** A ring for each of `steps`, behind one another in an external tensor [steps · slots · rows, C]. */
export type Ring = {
  readonly memory: Tensor;
  /** For a ring of 8-bit integers, their scales [steps · slots · rows, heads]. */
  readonly scale?: Tensor | undefined;
  readonly steps: number;
  readonly slots: number;
  /** Counters [1] of type u32 on the device: which ring, and which slot of it is next. */
  readonly step: Tensor;
  readonly slot: Tensor;
};

type WriteInputs = Inputs & {
  readonly x: Tensor;
  readonly ring: Tensor;
  readonly scale: Tensor | undefined;
  readonly step: Tensor;
  readonly slot: Tensor;
};
type WriteAttrs = { readonly steps: number; readonly slots: number };

export const ringWriteOp: Op<WriteInputs, WriteAttrs> = {
  name: 'ring-write',
  lower({ inputs: { scale, ...plain }, attrs }: Node<WriteInputs, WriteAttrs>) {
    const C = plain.x.shape.at(-1) ?? 1;
    const rows = rowsOf(plain.x.shape);
    if (!scale) return [{ kernel: writeKernel, tensors: plain, dims: { rows, C, ...attrs } }];
    const heads = scale.shape.at(-1) ?? 1;
    const dims = { rows, heads, D: C / heads, ...attrs };
    return [{ kernel: writeInt8, tensors: { ...plain, scale }, dims }];
  },
};

/** Writes x [rows, C] into the slot that the ring's counters point at. */
export function ringWrite({ memory, scale, steps, slots, step, slot }: Ring, x: Tensor): void {
  const want = [steps * slots * rowsOf(x.shape), x.shape.at(-1) ?? 1];
  checkShape(
    memory.shape.join() === want.join(),
    x.graph,
    'ring',
    memory.shape,
    `[${want.join(', ')}]`,
  );
  x.graph.effect(ringWriteOp, { x, ring: memory, scale, step, slot }, { steps, slots });
}

type ReadInputs = Inputs & {
  readonly ring: Tensor;
  readonly scale: Tensor | undefined;
  readonly stay: Tensor;
  readonly table: Tensor | undefined;
  readonly step: Tensor;
};
type ReadAttrs = { readonly filled: number; readonly steps: number; readonly heads: number };

export const ringReadOp: Op<ReadInputs, ReadAttrs> = {
  name: 'ring-read',
  lower({ inputs, attrs: { filled, steps, heads }, outputs }: Node<ReadInputs, ReadAttrs>) {
    const { scale, ...plain } = inputs;
    const dims = {
      filled,
      ringRows: rowsOf(plain.ring.shape) / steps,
      stayRows: rowsOf(plain.stay.shape),
      steps,
      heads,
      D: (plain.stay.shape.at(-1) ?? 0) / heads,
    };
    const tensors = { ...plain, y: outputs[0] };
    if (!scale) return [{ kernel: readKernel, tensors, dims }];
    return [{ kernel: readInt8, tensors: { ...tensors, scale }, dims }];
  },
};

/**
 * Returns the first `filled` rows of the current step's ring, then the rows of `stay` [n, heads · D], their pairs turned
 * by `table` [n, D] where there is one: [filled + n, heads · D].
 */
export function ringRead(
  { memory, scale, steps, step }: Ring,
  stay: Tensor,
  options: { readonly filled: number; readonly heads: number; readonly table?: Tensor },
): Tensor {
  const { filled, heads, table } = options;
  const { graph } = memory;
  const C = stay.shape.at(-1) ?? 0;
  const fits = memory.shape.at(-1) === C && filled <= rowsOf(memory.shape) / steps;
  checkShape(fits, graph, 'ring', memory.shape, `${steps} times ${filled} rows of ${C}`);
  const placed = !table || table.shape.join() === [rowsOf(stay.shape), C / heads].join();
  const places = `[${rowsOf(stay.shape)}, ${C / heads}]`;
  checkShape(placed, graph, 'ring table', table?.shape ?? [], places);
  const inputs = { ring: memory, scale, stay, table, step };
  return graph.add(ringReadOp, inputs, { filled, steps, heads }, [filled + rowsOf(stay.shape), C]);
}
