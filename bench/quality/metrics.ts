/** How alike two pictures are: peak signal-to-noise ratio and structural similarity, in plain loops. */

/** Pixels row-major from the top, `channels` values each, 0 … 255; further channels than three do not count. */
export type Pixels = {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
};

/** Mean squared error over red, green and blue. Throws a `RangeError` for pictures of two sizes. */
export function meanSquaredError(a: Pixels, b: Pixels): number {
  checkSizes(a, b);
  let sum = 0;
  for (let i = 0; i < a.width * a.height; i++) {
    for (let c = 0; c < 3; c++) {
      sum += ((a.data[i * a.channels + c] ?? 0) - (b.data[i * b.channels + c] ?? 0)) ** 2;
    }
  }
  return sum / (3 * a.width * a.height);
}

/** Peak signal-to-noise ratio in dB for a mean squared error of values up to 255; infinite for none. */
export const decibels = (mse: number): number => 10 * Math.log10(255 ** 2 / mse);

const RADIUS = 5;
const SIGMA = 1.5;
const WINDOW = Float64Array.from({ length: 2 * RADIUS + 1 }, (_, i) =>
  Math.exp(-((i - RADIUS) ** 2) / (2 * SIGMA ** 2)),
);
const WINDOW_SUM = WINDOW.reduce((a, b) => a + b, 0);
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/**
 * Structural similarity of brightness, -1 … 1, as Wang et al. 2004 define it: Gaussian windows of 11 × 11 with σ = 1.5, only
 * those that lie whole in the picture. Throws a `RangeError` for pictures of two sizes or smaller than a window.
 */
export function structuralSimilarity(a: Pixels, b: Pixels): number {
  checkSizes(a, b);
  const { width, height } = a;
  if (Math.min(width, height) < WINDOW.length)
    throw new RangeError(`${width}x${height} — needs ${WINDOW.length} pixels a side`);
  const [x, y] = [brightness(a), brightness(b)];
  const blur = (values: Float64Array): Float64Array => blurred(values, width, height);
  const product = (p: Float64Array, q: Float64Array): Float64Array =>
    p.map((value, i) => value * (q[i] ?? 0));
  const [mx, my] = [blur(x), blur(y)];
  const [xx, yy, xy] = [blur(product(x, x)), blur(product(y, y)), blur(product(x, y))];
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const [u, v] = [mx[i] ?? 0, my[i] ?? 0];
    const [vx, vy, cov] = [(xx[i] ?? 0) - u * u, (yy[i] ?? 0) - v * v, (xy[i] ?? 0) - u * v];
    sum += ((2 * u * v + C1) * (2 * cov + C2)) / ((u * u + v * v + C1) * (vx + vy + C2));
  }
  return sum / mx.length;
}

/** BT.601 brightness. */
function brightness({ width, height, channels, data }: Pixels): Float64Array {
  return Float64Array.from({ length: width * height }, (_, i) => {
    const at = i * channels;
    return 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
  });
}

/** Windows' means, where they lie whole in the picture. */
function blurred(values: Float64Array, width: number, height: number): Float64Array {
  const w = width - 2 * RADIUS;
  const h = height - 2 * RADIUS;
  const rows = new Float64Array(w * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < w; column++) {
      let sum = 0;
      for (let k = 0; k < WINDOW.length; k++)
        sum += (WINDOW[k] ?? 0) * (values[row * width + column + k] ?? 0);
      rows[row * w + column] = sum / WINDOW_SUM;
    }
  }
  const all = new Float64Array(w * h);
  for (let row = 0; row < h; row++) {
    for (let column = 0; column < w; column++) {
      let sum = 0;
      for (let k = 0; k < WINDOW.length; k++)
        sum += (WINDOW[k] ?? 0) * (rows[(row + k) * w + column] ?? 0);
      all[row * w + column] = sum / WINDOW_SUM;
    }
  }
  return all;
}

function checkSizes(a: Pixels, b: Pixels): void {
  if (a.width === b.width && a.height === b.height) return;
  throw new RangeError(`${a.width}x${a.height} and ${b.width}x${b.height} — need one size`);
}

/** Two videos, frame by frame. */
export type Likeness = {
  readonly frames: number;
  /** From the mean squared error of all frames, and of the worst one. */
  readonly psnr: number;
  readonly worstPsnr: number;
  /** Mean over the frames, and of the worst one. */
  readonly ssim: number;
  readonly worstSsim: number;
  /** Mean learned distance of the frames that were looked at; absent where its weights are not given. */
  readonly lpips?: number;
};

/** Adds up a video's frames. */
export class Comparison {
  readonly #errors: number[] = [];
  readonly #similarities: number[] = [];
  readonly #distances: number[] = [];

  /** `distance` is that of `lpips.ts`, for the frames that are looked at so. */
  add(a: Pixels, b: Pixels, distance?: number): void {
    this.#errors.push(meanSquaredError(a, b));
    this.#similarities.push(structuralSimilarity(a, b));
    if (distance !== undefined) this.#distances.push(distance);
  }

  /** Throws a `RangeError` when no frame was added. */
  get likeness(): Likeness {
    const [errors, similarities, distances] = [this.#errors, this.#similarities, this.#distances];
    if (errors.length === 0) throw new RangeError('no frames to compare');
    return {
      frames: errors.length,
      ...{ psnr: decibels(mean(errors)), worstPsnr: decibels(Math.max(...errors)) },
      ...{ ssim: mean(similarities), worstSsim: Math.min(...similarities) },
      ...(distances.length > 0 && { lpips: mean(distances) }),
    };
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;
