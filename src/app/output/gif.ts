/** Frames as an animated GIF; loaded when it is asked for. */
import { createGifWriter, gifPalette } from './gif-writer.ts';
import type { ExportPlan, Made } from './plan.ts';

/** Frames that the palette is made from. */
const LOOKED_AT = 8;

/** Resolves to a GIF of the frames in order. */
export async function makeGif({ source, order, marking, onProgress }: ExportPlan): Promise<Made> {
  const { width, height, fps, count } = source;
  const looked: Uint8ClampedArray[] = [];
  const some = Math.min(count, LOOKED_AT);
  for (let i = 0; i < some; i++) looked.push(await source.frame(Math.floor((i * count) / some)));
  const writer = createGifWriter({ width, height, fps, marking }, gifPalette(looked));
  for (const [done, index] of order.entries()) {
    writer.addFrame(await source.frame(index));
    onProgress((done + 1) / order.length);
  }
  return { content: new Blob([await writer.finish()]) };
}
