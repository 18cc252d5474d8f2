/**
 * RGB to the planes that video encoders take. Done here and not by the browser, which may use the matrix of
 * standard definition: colours then shift between browsers. ITU-R BT.709, limited range, 4:2:0.
 */

const RED = 0.2126;
const GREEN = 0.7152;
const BLUE = 0.0722;

/** Bytes of an I420 frame; both sides even. */
export const i420Bytes = (width: number, height: number): number => (width * height * 3) / 2;

/**
 * Returns the I420 planes (Y, then Cb and Cr at half size, each the mean of 2 × 2 pixels) of RGBA bytes;
 * transparency is left out. Both sides must be even.
 */
export function rgbaToI420(
  rgba: Uint8Array | Uint8ClampedArray,
  width: number,
  height: number,
): Uint8ClampedArray<ArrayBuffer> {
  const planes = new Uint8ClampedArray(i420Bytes(width, height));
  const blue = width * height;
  const red = blue + (width / 2) * (height / 2);
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      let [sumR, sumG, sumB] = [0, 0, 0];
      for (let corner = 0; corner < 4; corner++) {
        const pixel = (y + (corner >> 1)) * width + x + (corner & 1);
        const r = rgba[4 * pixel] ?? 0;
        const g = rgba[4 * pixel + 1] ?? 0;
        const b = rgba[4 * pixel + 2] ?? 0;
        planes[pixel] = 16 + (219 / 255) * (RED * r + GREEN * g + BLUE * b);
        sumR += r;
        sumG += g;
        sumB += b;
      }
      const luma = RED * sumR + GREEN * sumG + BLUE * sumB;
      const chroma = (y / 2) * (width / 2) + x / 2;
      planes[blue + chroma] = 128 + ((224 / 255) * (sumB - luma)) / (8 * (1 - BLUE));
      planes[red + chroma] = 128 + ((224 / 255) * (sumR - luma)) / (8 * (1 - RED));
    }
  }
  return planes;
}

/** Returns I420 planes of NV12 ones, whose Cb and Cr alternate. */
export function nv12ToI420(
  planes: Uint8ClampedArray,
  width: number,
  height: number,
): Uint8ClampedArray<ArrayBuffer> {
  const sorted = new Uint8ClampedArray(planes);
  const blue = width * height;
  const quarter = blue / 4;
  for (let i = 0; i < quarter; i++) {
    sorted[blue + i] = planes[blue + 2 * i] ?? 0;
    sorted[blue + quarter + i] = planes[blue + 2 * i + 1] ?? 0;
  }
  return sorted;
}

/** Returns opaque RGBA bytes of I420 planes, each colour shared by 2 × 2 pixels. Both sides must be even. */
export function i420ToRgba(
  planes: Uint8ClampedArray,
  width: number,
  height: number,
): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(4 * width * height);
  const blue = width * height;
  const red = blue + (width / 2) * (height / 2);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      const chroma = (y >> 1) * (width / 2) + (x >> 1);
      const luma = (255 / 219) * ((planes[pixel] ?? 0) - 16);
      const cb = (255 / 224) * ((planes[blue + chroma] ?? 0) - 128);
      const cr = (255 / 224) * ((planes[red + chroma] ?? 0) - 128);
      const r = luma + 2 * (1 - RED) * cr;
      const b = luma + 2 * (1 - BLUE) * cb;
      rgba[4 * pixel] = r;
      rgba[4 * pixel + 1] = (luma - RED * r - BLUE * b) / GREEN;
      rgba[4 * pixel + 2] = b;
      rgba[4 * pixel + 3] = 255;
    }
  }
  return rgba;
}
