/**
 * Patterns of axes, in the notation of einops: `'(f h w) (p q c) -> f (h p) (w q) c'` names the factors of each axis
 * on both sides. A name that stands only on the right repeats the values; `1` is an axis of length one.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { Shape } from '../../gpu/tensor.ts';
import { pitchOf } from '../../gpu/tensor.ts';
import type { Digit } from '../../kernels/rearrange.ts';

/** Lengths of names that the shape alone does not tell. */
export type Sizes = Readonly<Record<string, number>>;

/** A way to read a source: the digits of every axis of the result, slowest first. */
export type View = { readonly axes: readonly (readonly Digit[])[]; readonly offset: number };

/** Returns how many stored values apart two neighbours along each axis of a padded tensor are. */
export function stridesOf(shape: Shape): number[] {
  let stride = pitchOf(shape);
  const rows = shape.slice(0, -1).map((_, i, { length }) => {
    const own = stride;
    stride *= shape[length - 1 - i] ?? 1;
    return own;
  });
  return [...rows.reverse(), 1];
}

/** Returns the shape of what a view shows. */
export const shapeOfView = ({ axes }: View): Shape =>
  axes.map((digits) => digits.reduce((length, { size }) => length * size, 1));

/** Returns the view of a tensor of `shape` that `pattern` asks for. Throws `graph/pattern` when they do not fit. */
export function viewOf(shape: Shape, pattern: string, sizes: Sizes): View {
  const [left, right, ...rest] = pattern.split('->');
  const fail = (why: string): EngineError =>
    new EngineError(
      'graph/pattern',
      `rearrange "${pattern}" of [${shape.join(', ')}] — ${why} — check the pattern`,
    );
  if (left === undefined || right === undefined || rest.length > 0) throw fail('needs one "->"');
  const axes = axesOf(left);
  if (axes.length !== shape.length) throw fail(`names ${axes.length} axes`);
  const strides = stridesOf(shape);
  const known = new Map<string, Digit>();
  axes.forEach((names, axis) => {
    const length = shape[axis] ?? 1;
    const open = names.filter((name) => sizes[name] === undefined);
    const given = names.reduce((n, name) => n * (sizes[name] ?? 1), 1);
    if (open.length > 1) throw fail(`needs the length of ${open.slice(1).join(' and ')}`);
    if (length % given !== 0 || (open.length === 0 && length !== given)) {
      throw fail(`axis ${axis} of ${length} does not split into (${names.join(' ')})`);
    }
    let stride = strides[axis] ?? 1;
    for (const name of names.toReversed()) {
      if (known.has(name)) throw fail(`names ${name} twice`);
      const size = sizes[name] ?? length / given;
      known.set(name, { size, stride });
      stride *= size;
    }
  });
  const shown = new Set<string>();
  const digitOf = (name: string): Digit => {
    if (shown.has(name)) throw fail(`shows ${name} twice`);
    shown.add(name);
    const size = sizes[name];
    const digit = known.get(name) ?? (size === undefined ? undefined : { size, stride: 0 });
    if (!digit) throw fail(`does not know ${name}`);
    return digit;
  };
  const result = axesOf(right).map((names) => names.map(digitOf));
  const lost = [...known].find(([name, { size }]) => size > 1 && !shown.has(name));
  if (lost) throw fail(`loses ${lost[0]}`);
  return { axes: result, offset: 0 };
}

/** `'f (h p) 1'` -> [[f], [h, p], []]. */
const axesOf = (side: string): string[][] =>
  (side.match(/\([^()]*\)|[^\s()]+/g) ?? []).map((axis) =>
    (axis.match(/[A-Za-z]\w*/g) ?? []).map((name) => name),
  );

/**
 * Returns the view of a tensor of shape `from` as shape `to`, in row-major order of values; undefined when the two
 * split the same count of values in ways that have no common factors, as [2, 3] and [3, 2] do.
 */
export function reshapeView(from: Shape, to: Shape): View | undefined {
  const strides = stridesOf(from);
  const axes: Digit[][] = to.map(() => []);
  let source = from.length - 1;
  let left = from[source] ?? 1;
  let stride = strides[source] ?? 1;
  for (let axis = to.length - 1; axis >= 0; axis--) {
    let wanted = to[axis] ?? 1;
    while (wanted > 1) {
      while (left === 1) {
        source--;
        left = from[source] ?? NaN;
        stride = strides[source] ?? NaN;
      }
      const size = Math.min(wanted, left);
      if (!(wanted % size === 0 && left % size === 0)) return undefined;
      axes[axis]?.unshift({ size, stride });
      wanted /= size;
      left /= size;
      stride *= size;
    }
  }
  return { axes, offset: 0 };
}

/** Returns the digits without those of size one, neighbours joined where one step of the slower is a turn of the faster. */
export function joinDigits(digits: readonly Digit[]): Digit[] {
  return digits.reduce<Digit[]>((joined, digit) => {
    const slower = joined.at(-1);
    if (digit.size === 1) return joined;
    if (!slower || slower.stride !== digit.size * digit.stride) return [...joined, digit];
    return [...joined.slice(0, -1), { size: slower.size * digit.size, stride: digit.stride }];
  }, []);
}
