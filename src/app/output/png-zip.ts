/** Every frame as PNG, without loss, in a zip; loaded when it is asked for. */
import { Zip, ZipPassThrough } from 'fflate';
import { EngineError, markedPng } from '../../engine/index.ts';
import type { ExportPlan, Made } from './plan.ts';

/** The first moment that a zip can name: no time of day is told. */
const NO_TIME = new Date(1980, 0, 1);

/** Resolves to a zip of the frames in order, each with its mark. */
export async function makePngZip({
  source,
  order,
  marking,
  onProgress,
}: ExportPlan): Promise<Made> {
  const parts: BlobPart[] = [];
  let failure: Error | undefined;
  const zip = new Zip((error, data) => {
    if (error) failure = error;
    // In a buffer of its own, as blobs take it.
    else parts.push(data.slice());
  });
  const { width, height } = source;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  if (!context) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  const digits = String(order.length).length;
  for (const [done, index] of order.entries()) {
    context.putImageData(new ImageData(await source.frame(index), width, height), 0, 0);
    const picture = await canvas.convertToBlob({ type: 'image/png' });
    const file = await markedPng(new Uint8Array(await picture.arrayBuffer()), marking);
    const entry = new ZipPassThrough(`frame-${String(done + 1).padStart(digits, '0')}.png`);
    entry.mtime = NO_TIME;
    zip.add(entry);
    entry.push(file, true);
    if (failure) throw failure;
    onProgress((done + 1) / order.length);
  }
  zip.end();
  return { content: new Blob(parts) };
}
