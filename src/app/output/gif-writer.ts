/** Writes frames into an animated GIF: one palette of 256 colours for all of them (gifenc), so that nothing flickers. */
import { applyPalette, GIFEncoder, quantize } from 'gifenc';
import { markedGif } from '../../engine/index.ts';
import type { VideoMarking } from '../../engine/index.ts';

const COLOURS = 256;
/** Pixels from which the palette is made. */
const SAMPLED = 2 ** 18;
/** Players show anything shorter much slower. */
const SHORTEST_MS = 20;

export type GifOptions = {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly marking: VideoMarking;
};

/** A GIF being written. */
export type GifWriter = {
  /** Adds a frame of RGBA bytes. */
  addFrame(rgba: Uint8ClampedArray): void;
  /** Resolves to the finished file, which repeats for ever. */
  finish(): Promise<Uint8Array<ArrayBuffer>>;
};

/** Returns a palette for frames: of pixels taken evenly from all of them. */
export function gifPalette(frames: readonly Uint8ClampedArray[]): number[][] {
  const pixels = frames.reduce((sum, frame) => sum + frame.length / 4, 0);
  const stride = Math.max(1, Math.ceil(pixels / SAMPLED));
  const taken = new Uint8Array(4 * Math.ceil(pixels / stride));
  let at = 0;
  let index = 0;
  for (const frame of frames) {
    for (let pixel = 0; pixel < frame.length / 4; pixel++) {
      if (index++ % stride !== 0) continue;
      taken.set(frame.subarray(4 * pixel, 4 * pixel + 4), at);
      at += 4;
    }
  }
  return quantize(taken, COLOURS, { format: 'rgb565' });
}

/** Returns a writer of frames in the colours of `palette`. */
export function createGifWriter(options: GifOptions, palette: number[][]): GifWriter {
  const { width, height, fps, marking } = options;
  const encoder = GIFEncoder();
  let frames = 0;
  let shownMs = 0;
  return {
    addFrame(rgba) {
      const indices = applyPalette(rgba, palette, 'rgb565');
      // Hundredths of a second: the error of one frame is made up for by the next.
      const until = Math.max(Math.round((100 * (frames + 1)) / fps) * 10, shownMs + SHORTEST_MS);
      const delay = until - shownMs;
      const first = frames === 0 ? { palette, repeat: 0 } : {};
      encoder.writeFrame(indices, width, height, { ...first, delay });
      shownMs = until;
      frames++;
    },
    finish() {
      encoder.finish();
      return markedGif(encoder.bytes(), marking);
    },
  };
}
