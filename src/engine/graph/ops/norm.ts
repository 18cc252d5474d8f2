/** Normalisation of rows, with affine weights and modulation by (1 + scale) and shift. */
import { rowsOf } from '../../gpu/tensor.ts';
import type { Activation } from '../../kernels/activation.ts';
import type { NormKind } from '../../kernels/norm.ts';
import { norm } from '../../kernels/norm.ts';
import { normHeld } from '../../kernels/norm-held.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type NormInputs = Inputs & {
  readonly x: Tensor;
  readonly weight: Tensor | undefined;
  readonly bias: Tensor | undefined;
  /** Modulation rows [groups, parts, C]. */
  readonly modulation: Tensor | undefined;
};

export type NormAttrs = {
  readonly kind: NormKind;
  readonly eps: number;
  readonly activation: Activation;
  readonly shiftPart: number;
  readonly scalePart: number;
  /** Rows of x that share one group of the modulation. */
  readonly rowsPerGroup: number;
};

export const normOp: Op<NormInputs, NormAttrs> = {
  name: 'norm',
  riders: ['activation'],
  lower({ inputs, attrs, outputs }: Node<NormInputs, NormAttrs>) {
    const { x, weight, bias, modulation } = inputs;
    const { eps, shiftPart, scalePart, rowsPerGroup } = attrs;
    const dims = {
      rows: rowsOf(x.shape),
      C: x.shape.at(-1) ?? 1,
      eps,
      groups: modulation?.shape[0] ?? 1,
      parts: modulation?.shape[1] ?? 1,
      shiftPart,
      scalePart,
      rowsPerGroup,
    };
    const values = { KIND: attrs.kind, ACTIVATION: attrs.activation };
    const tensors = { x, weight, bias, modulation, y: outputs[0] };
    return [{ kernel: norm, variants: [normHeld], tensors, dims, values }];
  },
};

/** Returns the rows of x normalised, with optional weights [C]; shape unchanged. */
export function normalise(
  x: Tensor,
  kind: NormKind,
  eps: number,
  weight?: Tensor,
  bias?: Tensor,
): Tensor {
  const attrs: NormAttrs = {
    kind,
    eps,
    activation: 'none',
    shiftPart: 0,
    scalePart: 0,
    rowsPerGroup: 1,
  };
  return x.graph.add(normOp, { x, weight, bias, modulation: undefined }, attrs, x.shape);
}

/**
 * Returns normalised(x) * weight * (1 + modulation[scalePart]) + modulation[shiftPart].
 * modulation is [groups, parts, C]; row r of x takes group min(floor(r / rowsPerGroup), groups - 1).
 */
export function modulatedNorm(
  x: Tensor,
  modulation: Tensor,
  options: {
    eps: number;
    kind?: NormKind;
    weight?: Tensor | undefined;
    shiftPart: number;
    scalePart: number;
    rowsPerGroup: number;
  },
): Tensor {
  const { eps, shiftPart, scalePart, rowsPerGroup } = options;
  checkShape(
    modulation.shape.length === 3 && modulation.shape[2] === x.shape.at(-1),
    x.graph,
    'modulation',
    modulation.shape,
    `[groups, parts, ${x.shape.at(-1)}]`,
  );
  const attrs: NormAttrs = {
    kind: options.kind ?? 'layer',
    eps,
    activation: 'none',
    shiftPart,
    scalePart,
    rowsPerGroup,
  };
  const { weight } = options;
  return x.graph.add(normOp, { x, weight, bias: undefined, modulation }, attrs, x.shape);
}
