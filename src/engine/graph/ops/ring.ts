/** Rings of keys and values: memory of fixed size that the newest block of a stream takes its place in. */
import { rowsOf } from '../../gpu/tensor.ts';
import { ringRead as readKernel } from '../../kernels/ring-read.ts';
import { ringWrite as writeKernel } from '../../kernels/ring-write.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

/** A ring for each of `steps`, behind one another in an external tensor [steps · slots · rows, C]. */
export type Ring = {
  readonly memory: Tensor;
  readonly steps: number;
  readonly slots: number;
  /** Counters [1] of type u32 on the device: which ring, and which slot of it is next. */
  readonly step: Tensor;
  readonly slot: Tensor;
};

type WriteInputs = Inputs & {
  readonly x: Tensor;
  readonly ring: Tensor;
  readonly step: Tensor;
  readonly slot: Tensor;
};
type WriteAttrs = { readonly steps: number; readonly slots: number };

export const ringWriteOp: Op<WriteInputs, WriteAttrs> = {
  name: 'ring-write',
  lower({ inputs, attrs }: Node<WriteInputs, WriteAttrs>) {
    const dims = { rows: rowsOf(inputs.x.shape), C: inputs.x.shape.at(-1) ?? 1, ...attrs };
    return [{ kernel: writeKernel, tensors: inputs, dims }];
  },
};

/** Writes x [rows, C] into the slot that the ring's counters point at. */
export function ringWrite({ memory, steps, slots, step, slot }: Ring, x: Tensor): void {
  const want = [steps * slots * rowsOf(x.shape), x.shape.at(-1) ?? 1];
  checkShape(
    memory.shape.join() === want.join(),
    x.graph,
    'ring',
    memory.shape,
    `[${want.join(', ')}]`,
  );
  x.graph.effect(ringWriteOp, { x, ring: memory, step, slot }, { steps, slots });
}

type ReadInputs = Inputs & {
  readonly ring: Tensor;
  readonly stay: Tensor;
  readonly table: Tensor | undefined;
  readonly step: Tensor;
};
type ReadAttrs = { readonly filled: number; readonly steps: number; readonly heads: number };

export const ringReadOp: Op<ReadInputs, ReadAttrs> = {
  name: 'ring-read',
  lower({ inputs, attrs: { filled, steps, heads }, outputs }: Node<ReadInputs, ReadAttrs>) {
    const dims = {
      filled,
      ringRows: rowsOf(inputs.ring.shape) / steps,
      stayRows: rowsOf(inputs.stay.shape),
      steps,
      heads,
      D: (inputs.stay.shape.at(-1) ?? 0) / heads,
    };
    return [{ kernel: readKernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/**
 * Returns the first `filled` rows of the current step's ring, then the rows of `stay` [n, heads · D], their pairs turned
 * by `table` [n, D] where there is one: [filled + n, heads · D].
 */
export function ringRead(
  { memory, steps, step }: Ring,
  stay: Tensor,
  options: { readonly filled: number; readonly heads: number; readonly table?: Tensor },
): Tensor {
  const { filled, heads, table } = options;
  const { graph } = memory;
  const C = stay.shape.at(-1) ?? 0;
  const fits = memory.shape.at(-1) === C && filled <= rowsOf(memory.shape) / steps;
  checkShape(fits, graph, 'ring', memory.shape, `${steps} times ${filled} rows of ${C}`);
  const placed = !table || table.shape.join() === [rowsOf(stay.shape), C / heads].join();
  checkShape(
    placed,
    graph,
    'ring table',
    table?.shape ?? [],
    `[${rowsOf(stay.shape)}, ${C / heads}]`,
  );
  const inputs = { ring: memory, stay, table, step };
  return graph.add(ringReadOp, inputs, { filled, steps, heads }, [filled + rowsOf(stay.shape), C]);
}
