/** Types of what is used of gifenc, which brings none. */
declare module 'gifenc' {
  /** Returns at most `colours` colours, each red, green and blue in 0 … 255, for RGBA pixels. */
  export function quantize(
    rgba: Uint8Array | Uint8ClampedArray,
    colours: number,
    options: { readonly format: 'rgb565' | 'rgb444' | 'rgba4444' },
  ): number[][];
  /** Returns the nearest colour's number for each pixel. */
  export function applyPalette(
    rgba: Uint8Array | Uint8ClampedArray,
    palette: number[][],
    format: 'rgb565' | 'rgb444' | 'rgba4444',
  ): Uint8Array;
  /** Returns an encoder. */
  export function GIFEncoder(): {
    writeFrame(
      indices: Uint8Array,
      width: number,
      height: number,
      options: { palette?: number[][]; delay: number; repeat?: number },
    ): void;
    finish(): void;
    bytes(): Uint8Array<ArrayBuffer>;
  };
}
