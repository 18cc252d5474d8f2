/**
 * A picture squeezed to CLIP's square as DynamiCrafter does it (kornia's antialiased `resize`): blurred where it shrinks,
 * then bicubic with the corners kept in place.
 */
import type { Raster } from './resize.ts';

/** Weights of a Gaussian, odd in number. */
function gaussian(sigma: number): number[] {
  const wide = Math.trunc(Math.max(4 * sigma, 3));
  const count = wide % 2 === 0 ? wide + 1 : wide;
  const raw = Array.from({ length: count }, (_, i) => {
    const d = i - (count - 1) / 2;
    return Math.exp((-d * d) / (2 * sigma * sigma));
  });
  const total = raw.reduce((a, b) => a + b, 0);
  return raw.map((weight) => weight / total);
}

/** Index behind a border that mirrors without repeating the edge. */
function mirrored(i: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((i % period) + period) % period;
  return at < length ? at : period - at;
}

type Taps = readonly { readonly at: number; readonly weight: number }[];

/** Every line of one axis, each output value a weighted sum along it. */
function along(raster: Raster, axis: 'x' | 'y', taps: readonly Taps[]): Raster {
  const { width, height, channels, data } = raster;
  const size = axis === 'x' ? { width: taps.length, height } : { width, height: taps.length };
  const out = new Float32Array(size.width * size.height * channels);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const sources = taps[axis === 'x' ? x : y] ?? [];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const { at, weight } of sources) {
          const from = axis === 'x' ? y * width + at : at * width + x;
          sum += weight * (data[from * channels + c] ?? 0);
        }
        out[(y * size.width + x) * channels + c] = sum;
      }
    }
  }
  return { ...size, channels, data: out };
}

function blurTaps(length: number, sigma: number): Taps[] {
  const weights = gaussian(sigma);
  const half = (weights.length - 1) / 2;
  return Array.from({ length }, (_, i) =>
    weights.map((weight, k) => ({ at: mirrored(i + k - half, length), weight })),
  );
}

/** Keys' cubic with a = −¾, as torch has it. */
function cubic(distance: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return (1.25 * d - 2.25) * d * d + 1;
  return d < 2 ? -0.75 * (((d - 5) * d + 8) * d - 4) : 0;
}

function cubicTaps(from: number, to: number): Taps[] {
  const scale = to > 1 ? (from - 1) / (to - 1) : 0;
  return Array.from({ length: to }, (_, i) => {
    const centre = i * scale;
    const first = Math.floor(centre) - 1;
    return [0, 1, 2, 3].map((k) => ({
      at: Math.min(from - 1, Math.max(0, first + k)),
      weight: cubic(centre - first - k),
    }));
  });
}

/** Returns `raster` at `side` × `side`, its sides squeezed each by its own factor; values may overshoot their range. */
export function clipSqueeze(raster: Raster, side: number): Raster {
  const factors = { x: raster.width / side, y: raster.height / side };
  const sigma = (factor: number): number => Math.max((factor - 1) / 2, 0.001);
  let picture = raster;
  if (factors.x > 1 || factors.y > 1) {
    picture = along(picture, 'x', blurTaps(picture.width, sigma(factors.x)));
    picture = along(picture, 'y', blurTaps(picture.height, sigma(factors.y)));
  }
  return along(
    along(picture, 'x', cubicTaps(picture.width, side)),
    'y',
    cubicTaps(picture.height, side),
  );
}
