/** Gated residual sum of adaptive-norm transformers. */
import { rowsOf } from '../../gpu/tensor.ts';
import { gatedAdd } from '../../kernels/gated-add.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type GateInputs = Inputs & {
  readonly x: Tensor;
  readonly gate: Tensor;
  readonly residual: Tensor;
};
export type GateAttrs = { readonly gatePart: number; readonly rowsPerGroup: number };

export const gateOp: Op<GateInputs, GateAttrs> = {
  name: 'gated-add',
  lower({ inputs, attrs, outputs }: Node<GateInputs, GateAttrs>) {
    const { x, gate, residual } = inputs;
    const dims = {
      rows: rowsOf(x.shape),
      C: x.shape.at(-1) ?? 1,
      gateGroups: gate.shape[0] ?? 1,
      gateParts: gate.shape[1] ?? 1,
      ...attrs,
    };
    return [{ kernel: gatedAdd, tensors: { x, gate, residual, y: outputs[0] }, dims }];
  },
};

/**
 * Returns residual + gate[part] * x on the residual stream. gate is [groups, parts, C]; row r takes group
 * min(floor(r / rowsPerGroup), groups - 1).
 */
export function gatedResidual(
  residual: Tensor,
  x: Tensor,
  gate: Tensor,
  gatePart: number,
  rowsPerGroup: number,
): Tensor {
  checkShape(
    gate.shape.length === 3 && gate.shape[2] === x.shape.at(-1),
    x.graph,
    'gate',
    gate.shape,
    `[groups, parts, ${x.shape.at(-1)}]`,
  );
  return x.graph.add(
    gateOp,
    { x, gate, residual },
    { gatePart, rowsPerGroup },
    x.shape,
    x.graph.residual,
  );
}
