/** Where values stand: permutes, slices, reshapes, patches, repeats and concatenation. */
import { EngineError } from '../../gpu/errors.ts';
import type { Shape } from '../../gpu/tensor.ts';
import { pitchOf, rowsOf, sizeOf } from '../../gpu/tensor.ts';
import { concat as concatKernel } from '../../kernels/concat.ts';
import type { Dims } from '../../kernels/kernel.ts';
import type { Digit } from '../../kernels/rearrange.ts';
import {
  MAX_DIGITS,
  rearrange as rearrangeKernel,
  rearrangeDims,
} from '../../kernels/rearrange.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape, rootOf } from '../graph.ts';
import type { Sizes, View } from './pattern.ts';
import { joinDigits, reshapeView, shapeOfView, stridesOf, viewOf } from './pattern.ts';

export type RearrangeInputs = Inputs & { readonly x: Tensor };

export const rearrangeOp: Op<RearrangeInputs, Dims> = {
  name: 'rearrange',
  lower({ inputs: { x }, attrs, outputs }: Node<RearrangeInputs, Dims>) {
    return [{ kernel: rearrangeKernel, tensors: { x, y: outputs[0] }, dims: attrs }];
  },
};

/**
 * Returns x with its axes split, reordered, joined or repeated as `pattern` says (see pattern.ts); the same memory
 * when nothing moves. Example: `rearrange(x, '(f h w) (p q c) -> f (h p) (w q) c', { h, w, p: 2, q: 2 })`.
 */
export const rearrange = (x: Tensor, pattern: string, sizes: Sizes = {}): Tensor =>
  copyView(x, viewOf(x.shape, pattern, sizes));

/** Returns x with its axes in another order: axis i of the result is axis order[i] of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const whole = order.length === x.shape.length && x.shape.every((_, axis) => order.includes(axis));
  checkShape(whole, x.graph, 'permute', x.shape, `each axis once in [${order.join(', ')}]`);
  const digits = digitsOf(x.shape);
  return copyView(x, {
    axes: order.map((axis) => [digits[axis] ?? { size: 1, stride: 0 }]),
    offset: 0,
  });
}

/** Returns the `length` entries of x along `axis` from `start` on. */
export function slice(x: Tensor, axis: number, start: number, length: number): Tensor {
  const have = x.shape[axis] ?? 0;
  const fits = start >= 0 && length >= 1 && start + length <= have;
  checkShape(
    fits,
    x.graph,
    'slice',
    x.shape,
    `entries ${start} to ${start + length} on axis ${axis}`,
  );
  const strides = stridesOf(x.shape);
  const axes = digitsOf(x.shape).map((digit, i) => [
    i === axis ? { ...digit, size: length } : digit,
  ]);
  return copyView(x, { axes, offset: start * (strides[axis] ?? 0) });
}

/** Returns the values of x, in row-major order, as another shape; the same memory when the padding allows. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const view = sizeOf(x.shape) === sizeOf(shape) ? reshapeView(x.shape, shape) : undefined;
  checkShape(
    view !== undefined,
    x.graph,
    'reshape',
    x.shape,
    `a shape that divides into [${shape.join(', ')}]`,
  );
  return copyView(x, view);
}

export type Patch = { readonly pt: number; readonly ph: number; readonly pw: number };

/**
 * Returns the patches of x as rows: [F, H, W, C] -> [F/pt · H/ph · W/pw, C · pt · ph · pw]; within a row channel, then
 * frame, row and column in the patch, the column fastest: the order of a convolution weight.
 */
export const patchify = (x: Tensor, { pt, ph, pw }: Patch): Tensor =>
  rearrange(x, '(f a) (h p) (w q) c -> (f h w) (c a p q)', { a: pt, p: ph, q: pw });

/**
 * Returns rows put back as frames: [F·H·W, pt · ph · pw · C] -> [F·pt, H·ph, W·pw, C] for the grid [F, H, W]; within a
 * row frame, row and column in the patch, then the channel, which is fastest.
 */
export function unpatchify(
  x: Tensor,
  [F, H, W]: readonly [number, number, number],
  { pt, ph, pw }: Patch,
): Tensor {
  const pattern = '(f h w) (a p q c) -> (f a) (h p) (w q) c';
  return rearrange(x, pattern, { f: F, h: H, w: W, a: pt, p: ph, q: pw });
}

export type ConcatInputs = Inputs & {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly c: Tensor | undefined;
};

export const concatOp: Op<ConcatInputs, { readonly axis: number }> = {
  name: 'concat',
  lower({
    inputs: { a, b, c },
    attrs: { axis },
    outputs,
  }: Node<ConcatInputs, { readonly axis: number }>) {
    const lengths = [a, b, c].map((part) => part?.shape[axis] ?? 0);
    // Along the padded axis whole groups move where no part ends inside of one: they are an axis of their own.
    const unit = axis === a.shape.length - 1 ? lengths.reduce(commonDivisor) : 1;
    const last = axis === a.shape.length - 1 && unit % 4 !== 0;
    const [aLength = 1, bLength = 1, cLength = 0] = lengths.map((n) => (last ? n : n / unit));
    const inner = a.shape.slice(axis + 1, -1).reduce((n, length) => n * length, 1);
    const dims = {
      outer: a.shape.slice(0, axis).reduce((n, length) => n * length, 1),
      inner,
      C: last ? 1 : unit > 1 ? unit : (a.shape.at(-1) ?? 1),
      ...{ aLength, bLength, cLength },
    };
    return [
      { kernel: concatKernel, tensors: { a, b, c, y: outputs[0] }, dims, values: { LAST: last } },
    ];
  },
};

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** Returns the parts laid end to end along `axis`; all other axes must agree. Stored like the first part. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [a, b, c, ...rest] = parts;
  if (!a) throw new EngineError('graph/shape', 'concat — got no parts, needs at least one');
  if (!b) return a;
  for (const { shape } of parts) {
    const fits =
      shape.length === a.shape.length && shape.every((n, i) => i === axis || n === a.shape[i]);
    checkShape(fits, a.graph, 'concat', shape, `[${a.shape.join(', ')}] but for axis ${axis}`);
  }
  const length = [a, b, c].reduce((sum, part) => sum + (part?.shape[axis] ?? 0), 0);
  const shape = a.shape.map((n, i) => (i === axis ? length : n));
  const second = sameMemory(a, b) ? copyOf(b) : b;
  const third = c && (sameMemory(a, c) || sameMemory(b, c)) ? copyOf(c) : c;
  const joined = a.graph.add(concatOp, { a, b: second, c: third }, { axis }, shape, a.dtype);
  return concat([joined, ...rest], axis);
}

/** A dispatch cannot bind the same memory twice. */
function sameMemory(a: Tensor, b: Tensor): boolean {
  const [one, other] = [rootOf(a), rootOf(b)];
  if (one === other) return true;
  if (one.source.kind !== 'external' || other.source.kind !== 'external') return false;
  return one.source.device.buffer === other.source.device.buffer;
}

/** Every axis as one digit of the padded layout. */
function digitsOf(shape: Shape): Digit[] {
  const strides = stridesOf(shape);
  return shape.map((size, axis) => ({ size, stride: strides[axis] ?? 0 }));
}

function copyOf(x: Tensor): Tensor {
  const axes = digitsOf(x.shape).map((digit) => [digit]);
  return x.graph.add(rearrangeOp, { x }, dimsOf(x, { axes, offset: 0 }), x.shape, x.dtype);
}

function dimsOf(x: Tensor, { axes, offset }: View): Dims {
  const rows = joinDigits(axes.slice(0, -1).flat());
  const columns = joinDigits(axes.at(-1) ?? []);
  checkShape(
    rows.length + columns.length <= MAX_DIGITS,
    x.graph,
    'rearrange',
    x.shape,
    `at most ${MAX_DIGITS} digits`,
  );
  return rearrangeDims(rows, columns, offset);
}

/** The view of x as a tensor of its own, or as an alias when it is all of x in the same order and padding. */
function copyView(x: Tensor, view: View): Tensor {
  const shape = shapeOfView(view);
  const rows = joinDigits(view.axes.slice(0, -1).flat());
  const columns = joinDigits(view.axes.at(-1) ?? []);
  const rowsInPlace =
    rows.length === 0 || (rows.length === 1 && rows[0]?.stride === pitchOf(shape));
  const columnsInPlace = columns.length === 0 || (columns.length === 1 && columns[0]?.stride === 1);
  const whole =
    sizeOf(shape) === sizeOf(x.shape) &&
    pitchOf(shape) * rowsOf(shape) === pitchOf(x.shape) * rowsOf(x.shape);
  if (whole && view.offset === 0 && rowsInPlace && columnsInPlace) return x.graph.alias(x, shape);
  return x.graph.add(rearrangeOp, { x }, dimsOf(x, view), shape, x.dtype);
}
