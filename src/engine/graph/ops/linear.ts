/** Matrix product with a weight matrix, and everything that can ride on its last step. */
import { matmul } from '../../kernels/matmul.ts';
import { matmulDirect } from '../../kernels/matmul-direct.ts';
import { matvec } from '../../kernels/matvec.ts';
import { matmulMatrix } from '../../kernels/matmul-matrix.ts';
import { matmulTiled } from '../../kernels/matmul-tiled.ts';
import { bitsOf, isIntegerType } from '../../gpu/integers.ts';
import type { Dtype } from '../../gpu/tensor.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import type { Activation } from '../../kernels/activation.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type LinearInputs = Inputs & {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  /** Rows [groups, parts, N] of which one part multiplies the product; see `gate`. */
  readonly gate: Tensor | undefined;
  /** Multiplies the activated product element by element, as in gated feed-forward layers. */
  readonly factor: Tensor | undefined;
  readonly residual: Tensor | undefined;
};

export type LinearAttrs = {
  readonly activation: Activation;
  readonly gatePart: number;
  /** Rows of x that share one group of the gate. */
  readonly rowsPerGroup: number;
  /** Into how many matrices of equal width, one behind another, the product is cut. */
  readonly planes: number;
};

/** y = residual + gate * (activation(x Wᵀ + bias) * factor). */
export const linearOp: Op<LinearInputs, LinearAttrs> = {
  name: 'linear',
  riders: ['activation', 'factor', 'gate', 'residual'],
  lower({ inputs, attrs, outputs }: Node<LinearInputs, LinearAttrs>) {
    const { x, weight, gate } = inputs;
    const [N = 1, K = 1] = weight.shape;
    const dims = {
      M: rowsOf(x.shape),
      N,
      K,
      gateGroups: gate?.shape[0] ?? 1,
      gateParts: gate?.shape[1] ?? 1,
      gatePart: attrs.gatePart,
      rowsPerGroup: attrs.rowsPerGroup,
      planes: attrs.planes,
      ...(isIntegerType(weight.dtype) && { weightBits: bitsOf(weight.dtype) }),
    };
    const tensors = {
      x,
      w: weight,
      scale: weight.graph.scales(weight),
      bias: inputs.bias,
      gate,
      factor: inputs.factor,
      residual: inputs.residual,
      y: outputs[0],
    };
    return [
      {
        kernel: matmul,
        variants: [matmulDirect, matvec, matmulMatrix, matmulTiled],
        tensors,
        dims,
        values: { ACTIVATION: attrs.activation },
      },
    ];
  },
};

/** Returns x Wᵀ + bias: x [..., K], weight [N, K], bias [N] -> [..., N], stored as `dtype` if given. */
export function matmulWeight(x: Tensor, weight: Tensor, bias?: Tensor, dtype?: Dtype): Tensor {
  const [N = 1, K = 1] = weight.shape;
  checkShape(x.shape.at(-1) === K, x.graph, 'linear', x.shape, `last axis ${K}`);
  const inputs = { x, weight, bias, gate: undefined, factor: undefined, residual: undefined };
  const attrs = { activation: 'none', gatePart: 0, rowsPerGroup: 1, planes: 1 } as const;
  return x.graph.add(linearOp, inputs, attrs, [...x.shape.slice(0, -1), N], dtype);
}
