/** A run that makes a picture, as a PNG file. */
import { EngineError, run } from '../../engine/index.ts';
import type { RunContext, RunReport, RunRequest, RunnableModel } from '../../engine/index.ts';
import type { Video } from './protocol.ts';

/** Resolves to the picture of a run. Throws what `run` throws. */
export async function picturePng(
  model: RunnableModel,
  request: RunRequest,
  context: RunContext,
): Promise<{ readonly video: Video; readonly report: RunReport }> {
  const frames = run(model, request, context);
  const first = await frames.next();
  if (first.done) throw new EngineError('engine/assert', 'a run gave no picture');
  const { width, height, data } = first.value;
  const last = await frames.next();
  if (!last.done) throw new EngineError('engine/assert', 'a run gave more than one picture');
  const canvas = new OffscreenCanvas(width, height);
  const surface = canvas.getContext('2d');
  if (!surface) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  surface.putImageData(new ImageData(data, width, height), 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  const file = new Uint8Array(await blob.arrayBuffer());
  const video = { file, type: 'image/png', codec: 'png', width, height, frames: 1, fps: 1 };
  return { video, report: last.value };
}
