/**
 * Pictures resampled on the CPU, exactly as the reference pipelines prepare theirs. Two families:
 * the plain filters take the taps around a point, as torch's `interpolate` does (bicubic with a = −¾, the border
 * repeated); the antialiased ones widen with the reduction and are cut at the border, as Pillow does (bicubic
 * with a = −½, Lanczos of three lobes, the box of one pixel). Both work axis by axis, columns first.
 */
import { EngineError } from '../gpu/errors.ts';

export type ResizeFilter =
  'bilinear' | 'bicubic' | 'box' | 'bilinear-antialiased' | 'bicubic-antialiased' | 'lanczos';

/** Interleaved values, row-major: [height, width, channels]. */
export type Raster<T extends ArrayLike<number> = Float32Array> = {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: T;
};

type Kernel = { readonly support: number; readonly weight: (distance: number) => number };

const box: Kernel = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const triangle: Kernel = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/** Keys' cubic convolution with parameter a. */
const cubic = (a: number): Kernel => ({
  support: 2,
  weight: (distance) => {
    const x = Math.abs(distance);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  },
});

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos: Kernel = {
  support: 3,
  weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0),
};

const KERNELS: Record<ResizeFilter, Kernel & { readonly antialiased: boolean }> = {
  bilinear: { ...triangle, antialiased: false },
  bicubic: { ...cubic(-0.75), antialiased: false },
  box: { ...box, antialiased: true },
  'bilinear-antialiased': { ...triangle, antialiased: true },
  'bicubic-antialiased': { ...cubic(-0.5), antialiased: true },
  lanczos: { ...lanczos, antialiased: true },
};

/** For one output position: weights of the inputs from `first` on, or of `inputs` one by one. */
type Taps = { readonly inputs: readonly number[]; readonly weights: readonly number[] };

/** The taps of every output position along an axis that goes from `from` to `to` values. */
function tapsFor(filter: ResizeFilter, from: number, to: number): Taps[] {
  const { support, weight, antialiased } = KERNELS[filter];
  const scale = from / to;
  return Array.from({ length: to }, (_, position) => {
    const centre = (position + 0.5) * scale;
    if (!antialiased) {
      const before = Math.floor(centre - 0.5) - support + 1;
      const around = Array.from({ length: 2 * support }, (_, tap) => before + tap);
      return {
        inputs: around.map((input) => Math.min(from - 1, Math.max(0, input))),
        weights: around.map((input) => weight(input + 0.5 - centre)),
      };
    }
    const stretch = Math.max(1, scale);
    const first = Math.max(0, Math.trunc(centre - support * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + support * stretch + 0.5));
    const inputs = Array.from({ length: end - first }, (_, tap) => first + tap);
    const raw = inputs.map((input) => weight((input - centre + 0.5) / stretch));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { inputs, weights: raw.map((value) => value / sum) };
  });
}

/** Returns the weights by which values along an axis of `from` become one of `to`: [to, from], row-major. */
export function resizeMatrix(filter: ResizeFilter, from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  tapsFor(filter, from, to).forEach(({ inputs, weights }, row) => {
    inputs.forEach((input, tap) => {
      const at = row * from + input; // the border repeats
      matrix[at] = (matrix[at] ?? 0) + (weights[tap] ?? 0);
    });
  });
  return matrix;
}

/** Fixed point of Pillow's 8-bit path. */
const FIXED = 2 ** 22;

const fixed = (weight: number): number => Math.trunc(weight * FIXED + Math.sign(weight) * 0.5);
const toByte = (sum: number): number => Math.min(255, Math.max(0, Math.floor(sum / FIXED + 0.5)));

/** One pass along an axis: `lines` independent lines, `stride` values between neighbours on a line. */
function pass(
  source: ArrayLike<number>,
  target: { [index: number]: number },
  taps: readonly Taps[],
  lines: readonly { readonly source: number; readonly target: number }[],
  stride: number,
  round: ((sum: number) => number) | undefined,
): void {
  taps.forEach(({ inputs, weights }, position) => {
    const factors = round ? weights.map(fixed) : weights;
    for (const line of lines) {
      let sum = 0;
      for (let tap = 0; tap < inputs.length; tap++) {
        sum += (factors[tap] ?? 0) * (source[line.source + (inputs[tap] ?? 0) * stride] ?? 0);
      }
      target[line.target + position * stride] = round ? round(sum) : sum;
    }
  });
}

/** Start indices of the lines of an axis: across `outer` blocks and `inner` neighbouring values. */
const linesOf = (outer: number, inner: number, from: number, to: number) =>
  Array.from({ length: outer * inner }, (_, i) => {
    const [block, offset] = [Math.floor(i / inner), i % inner];
    return { source: block * from * inner + offset, target: block * to * inner + offset };
  });

function resample<T extends Float32Array | Uint8ClampedArray>(
  { width, height, channels, data }: Raster<T>,
  to: { readonly width: number; readonly height: number },
  filter: ResizeFilter,
  make: (length: number) => T,
  round?: (sum: number) => number,
): Raster<T> {
  if (
    data.length !== width * height * channels ||
    data.length === 0 ||
    to.width < 1 ||
    to.height < 1
  ) {
    throw new EngineError(
      'image/size',
      `resize ${width} × ${height} × ${channels} to ${to.width} × ${to.height} — got ${data.length} values, needs ${width * height * channels} and no empty side — check the sizes`,
      { have: data.length, need: width * height * channels },
    );
  }
  let rows = data;
  if (to.width !== width) {
    rows = make(height * to.width * channels);
    const lines = linesOf(height, channels, width, to.width);
    pass(data, rows, tapsFor(filter, width, to.width), lines, channels, round);
  }
  let result = rows;
  if (to.height !== height) {
    const row = to.width * channels;
    result = make(to.height * row);
    pass(
      rows,
      result,
      tapsFor(filter, height, to.height),
      linesOf(1, row, height, to.height),
      row,
      round,
    );
  }
  return { width: to.width, height: to.height, channels, data: result };
}

/** Returns `raster` at another size in f32; values may overshoot their range with all but the bilinear filters. */
export const resizeFloats = (
  raster: Raster,
  to: { readonly width: number; readonly height: number },
  filter: ResizeFilter,
): Raster => resample(raster, to, filter, (length) => new Float32Array(length));

/**
 * Returns `raster` at another size in 8 bits, rounded after each axis: equal to Pillow's `resize`, bit by bit,
 * for the antialiased filters.
 */
export const resizeBytes = (
  raster: Raster<Uint8ClampedArray>,
  to: { readonly width: number; readonly height: number },
  filter: ResizeFilter,
): Raster<Uint8ClampedArray> =>
  resample(raster, to, filter, (length) => new Uint8ClampedArray(length), toByte);

/** Returns the part of `raster` of the given size whose top left corner is (x, y). Throws `image/size` outside. */
export function crop<T extends Float32Array | Uint8ClampedArray>(
  { width, height, channels, data }: Raster<T>,
  part: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Raster<T> {
  const { x, y } = part;
  if (!(x >= 0 && y >= 0 && x + part.width <= width && y + part.height <= height)) {
    throw new EngineError(
      'image/size',
      `crop to ${part.width} × ${part.height} at ${x}, ${y} — got ${width} × ${height}, needs the part inside — check the sizes`,
    );
  }
  const kept = data.subarray(0, part.width * part.height * channels).slice() as T;
  for (let row = 0; row < part.height; row++) {
    const from = ((y + row) * width + x) * channels;
    kept.set(data.subarray(from, from + part.width * channels), row * part.width * channels);
  }
  return { width: part.width, height: part.height, channels, data: kept };
}
