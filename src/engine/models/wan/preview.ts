/**
 * What a video will look like, while it is denoised: a linear map from latent channels to colours, one pixel for each
 * latent pixel. The map is fitted to the one picture whose latent and colours are both known: the one it starts from.
 */
import type { Raster } from '../../image/resize.ts';
import { resizeFloats } from '../../image/resize.ts';
import type { Conditions } from './expert.ts';
import { MASK_CHANNELS } from './image-condition.ts';
import type { LatentSize } from './pipeline-request.ts';

/** Weights of each latent channel and, last, of the constant 1, for red, green and blue in turn. */
export type ColourMap = readonly Float64Array[];

/** Keeps channels that say nothing in a picture, such as all of a flat one, at small weights. */
const RIDGE = 1e-3;

/** Returns the first frame's latent [h, w, C] among the conditions; undefined for models that start from text alone. */
export function knownLatent(
  { firstFrame, channels }: Conditions,
  { h, w, C }: LatentSize,
): Float32Array | undefined {
  if (firstFrame) return firstFrame;
  if (!channels) return undefined;
  const width = MASK_CHANNELS + C;
  const latent = new Float32Array(h * w * C);
  for (let i = 0; i < h * w; i++) {
    latent.set(channels.subarray(i * width + MASK_CHANNELS, (i + 1) * width), i * C);
  }
  return latent;
}

/** Returns the map that takes `latent` [h, w, C] closest to the colours of `picture` (0 … 1), by least squares. */
export function fitColours(
  latent: Float32Array,
  picture: Raster,
  { h, w, C }: LatentSize,
): ColourMap {
  const { data } = resizeFloats(picture, { width: w, height: h }, 'bilinear-antialiased');
  const n = C + 1;
  const products = Array.from({ length: n }, () => new Float64Array(n));
  const sums = [0, 1, 2].map(() => new Float64Array(n));
  const row = new Float64Array(n).fill(1);
  for (let i = 0; i < h * w; i++) {
    row.set(latent.subarray(i * C, (i + 1) * C));
    for (let a = 0; a < n; a++) {
      const value = row[a] ?? 0;
      const line = products[a];
      for (let b = 0; line && b < n; b++) line[b] = (line[b] ?? 0) + value * (row[b] ?? 0);
      sums.forEach((sum, c) => (sum[a] = (sum[a] ?? 0) + value * (data[3 * i + c] ?? 0)));
    }
  }
  products.forEach((line, a) => (line[a] = (line[a] ?? 0) + RIDGE * h * w));
  return sums.map((sum) => solve(products, sum));
}

/** Returns the middle frame of a latent [F, h, w, C] in colours: RGB in 0 … 1, w × h. */
export function previewOf(
  latent: Float32Array,
  { F, h, w, C }: LatentSize,
  map: ColourMap,
): Raster {
  const first = Math.floor(F / 2) * h * w * C;
  const data = new Float32Array(h * w * 3);
  for (let i = 0; i < h * w; i++) {
    map.forEach((weights, c) => {
      let sum = weights[C] ?? 0;
      for (let z = 0; z < C; z++) sum += (latent[first + i * C + z] ?? 0) * (weights[z] ?? 0);
      data[3 * i + c] = Math.min(1, Math.max(0, sum));
    });
  }
  return { width: w, height: h, channels: 3, data };
}

/** Returns x of A x = b for a symmetric positive A, by Cholesky's factors. */
function solve(A: readonly Float64Array[], b: Float64Array): Float64Array {
  const n = b.length;
  const L = Array.from({ length: n }, () => new Float64Array(n));
  const at = (i: number, j: number): number => L[i]?.[j] ?? 0;
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A[i]?.[j] ?? 0;
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      const line = L[i];
      if (line) line[j] = i === j ? Math.sqrt(sum) : sum / at(j, j);
    }
    let rest = x[i] ?? 0;
    for (let k = 0; k < i; k++) rest -= at(i, k) * (x[k] ?? 0);
    x[i] = rest / at(i, i);
  }
  for (let i = n - 1; i >= 0; i--) {
    let rest = x[i] ?? 0;
    for (let k = i + 1; k < n; k++) rest -= at(k, i) * (x[k] ?? 0);
    x[i] = rest / at(i, i);
  }
  return x;
}
