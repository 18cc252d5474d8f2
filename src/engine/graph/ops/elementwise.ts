/** Sums, products, activations and scaling, element by element. */
import { rowsOf } from '../../gpu/tensor.ts';
import type { Activation } from '../../kernels/activation.ts';
import { elementwise } from '../../kernels/elementwise.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type ElementwiseInputs = Inputs & { readonly x: Tensor; readonly b: Tensor | undefined };

export type ElementwiseAttrs = {
  readonly activation: Activation;
  readonly combine: 'none' | 'add' | 'mul';
  readonly scale: number;
  readonly shift: number;
  /** Consecutive rows of x that meet the same row of b. */
  readonly repeatEach: number;
};

export const elementwiseOp: Op<ElementwiseInputs, ElementwiseAttrs> = {
  name: 'elementwise',
  lower({ inputs: { x, b }, attrs, outputs }: Node<ElementwiseInputs, ElementwiseAttrs>) {
    const { scale, shift, repeatEach } = attrs;
    const dims = {
      rows: rowsOf(x.shape),
      C: x.shape.at(-1) ?? 1,
      bRows: b ? rowsOf(b.shape) : 1,
      repeatEach,
      scale,
      shift,
    };
    return [
      {
        kernel: elementwise,
        tensors: { x, b, y: outputs[0] },
        dims,
        values: { ACTIVATION: attrs.activation, COMBINE: attrs.combine },
      },
    ];
  },
};

const PLAIN: ElementwiseAttrs = {
  activation: 'none',
  combine: 'none',
  scale: 1,
  shift: 0,
  repeatEach: 1,
};

const unary =
  (activation: Activation) =>
  (x: Tensor): Tensor =>
    x.graph.add(elementwiseOp, { x, b: undefined }, { ...PLAIN, activation }, x.shape, x.dtype);

export const silu = unary('silu');
export const geluTanh = unary('gelu_tanh');
export const geluErf = unary('gelu_erf');
export const quickGelu = unary('quick_gelu');
export const relu = unary('relu');
export const tanh = unary('tanh');

/** Returns scale * x + shift. */
export function affine(x: Tensor, scale: number, shift = 0): Tensor {
  return x.graph.add(
    elementwiseOp,
    { x, b: undefined },
    { ...PLAIN, scale, shift },
    x.shape,
    x.dtype,
  );
}

/** Returns x + b, on the residual stream: at f16 precision the sum is stored as the graph's residual type. */
export function add(x: Tensor, b: Tensor): Tensor {
  checkBroadcast(x, b, 1);
  const small = x.dtype === 'f32' && b.dtype === 'f32';
  return x.graph.add(
    elementwiseOp,
    { x, b },
    { ...PLAIN, combine: 'add' },
    x.shape,
    small ? 'f32' : x.graph.residual,
  );
}

/** Returns x + b, where row r of x meets row floor(r / repeatEach) mod rows(b) of b; stored like x. */
export function addRows(x: Tensor, b: Tensor, repeatEach = 1): Tensor {
  checkBroadcast(x, b, repeatEach);
  return x.graph.add(
    elementwiseOp,
    { x, b },
    { ...PLAIN, combine: 'add', repeatEach },
    x.shape,
    x.dtype,
  );
}

/** Returns x * b element by element; rows of b repeat as in `addRows`. */
export function mul(x: Tensor, b: Tensor, repeatEach = 1): Tensor {
  checkBroadcast(x, b, repeatEach);
  return x.graph.add(
    elementwiseOp,
    { x, b },
    { ...PLAIN, combine: 'mul', repeatEach },
    x.shape,
    x.dtype,
  );
}

function checkBroadcast(x: Tensor, b: Tensor, repeatEach: number): void {
  const fits =
    x.shape.at(-1) === b.shape.at(-1) &&
    rowsOf(x.shape) % rowsOf(b.shape) === 0 &&
    rowsOf(x.shape) % repeatEach === 0;
  checkShape(
    fits,
    x.graph,
    'elementwise',
    b.shape,
    `rows that repeat over [${x.shape.join(', ')}]`,
  );
}
