/** Between pixels, which are bytes, and the colours that networks read and make. */
import type { Raster } from './resize.ts';

/** Returns the colours of RGB or RGBA bytes as values from `low` to 1; transparency does not count. */
export function coloursOf(
  { width, height, channels, data }: Raster<Uint8ClampedArray>,
  low: 0 | -1,
): Raster {
  const colours = new Float32Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) {
      colours[pixel * 3 + c] = low + ((1 - low) * (data[pixel * channels + c] ?? 0)) / 255;
    }
  }
  return { width, height, channels: 3, data: colours };
}

/** Returns the colours of RGB or RGBA bytes as values from 0 to 1, white behind what is transparent. */
export function coloursOnWhite({
  width,
  height,
  channels,
  data,
}: Raster<Uint8ClampedArray>): Raster {
  const colours = new Float32Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = channels === 4 ? (data[4 * pixel + 3] ?? 255) / 255 : 1;
    for (let c = 0; c < 3; c++) {
      colours[3 * pixel + c] = 1 + alpha * ((data[channels * pixel + c] ?? 0) / 255 - 1);
    }
  }
  return { width, height, channels: 3, data: colours };
}

/** Returns colours, RGB in 0 … 1, as opaque RGBA pixels. */
export function pixelsOf(colours: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray((colours.length / 3) * 4);
  for (let from = 0, to = 0; from < colours.length; from += 3) {
    pixels[to++] = 255 * (colours[from] ?? 0);
    pixels[to++] = 255 * (colours[from + 1] ?? 0);
    pixels[to++] = 255 * (colours[from + 2] ?? 0);
    pixels[to++] = 255;
  }
  return pixels;
}
