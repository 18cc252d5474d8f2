/** The picture, small, as the motion found so far would move it: what is shown after each step. */
import type { Size } from '../../image/fit.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeFloats } from '../../image/resize.ts';
import type { GridSize } from './config.ts';

/** RGBA, row-major from the top, opaque. */
export type MotionPreview = Size & {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  /** Steps that are done. */
  readonly step: number;
  readonly steps: number;
};

/** Longer side of a preview in pixels. */
const LONG_SIDE = 128;

/** Returns the picture at the size of a preview. */
export function thumbnailOf(picture: Raster): Raster {
  const scale = Math.min(1, LONG_SIDE / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  return resizeFloats(picture, { width, height }, 'bilinear-antialiased');
}

/**
 * Returns the picture (0 … 1) moved along `field` [keys + 1, h, w, 4] as it is at the last key; a loop is back at its
 * beginning there and shows the middle one. Displacements and colours are interpolated linearly.
 */
export function previewOf(
  picture: Raster,
  field: Float32Array,
  [h, w]: GridSize,
  loop: boolean,
): Omit<MotionPreview, 'step' | 'steps'> {
  const { width, height } = picture;
  const last = field.length / (h * w * 4) - 1;
  const key = loop ? Math.ceil(last / 2) : last;
  const cells = { values: field.subarray(key * h * w * 4), width: w, height: h, stride: 4 };
  const pixels = { values: picture.data, width, height, stride: 3 };
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = [((x + 0.5) * w) / width - 0.5, ((y + 0.5) * h) / height - 0.5] as const;
      const sourceX = x + width * sample(cells, ...at, 0);
      const sourceY = y + width * sample(cells, ...at, 1); // both in picture widths
      for (let c = 0; c < 3; c++) {
        data[(y * width + x) * 4 + c] = 255 * sample(pixels, sourceX, sourceY, c);
      }
    }
  }
  return { width, height, data };
}

type Plane = {
  readonly values: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
};

/** The value of lane `lane` at (x, y), positions held inside the plane. */
function sample(
  { values, width, height, stride }: Plane,
  x: number,
  y: number,
  lane: number,
): number {
  const heldX = Math.min(Math.max(x, 0), width - 1);
  const heldY = Math.min(Math.max(y, 0), height - 1);
  const left = Math.floor(heldX);
  const top = Math.floor(heldY);
  const right = Math.min(left + 1, width - 1);
  const bottom = Math.min(top + 1, height - 1);
  const value = (row: number, column: number): number =>
    values[(row * width + column) * stride + lane] ?? 0;
  const [fx, fy] = [heldX - left, heldY - top];
  const upper = value(top, left) + (value(top, right) - value(top, left)) * fx;
  const lower = value(bottom, left) + (value(bottom, right) - value(bottom, left)) * fx;
  return upper + (lower - upper) * fy;
}
