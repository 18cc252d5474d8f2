/** Writes frames to a file as the engine's worker does. */
import { createFrameFile } from '../../../src/app/storage/frame-file.ts';

addEventListener('message', ({ data }: MessageEvent<readonly Uint8ClampedArray[]>) => {
  void (async () => {
    const file = await createFrameFile(data.reduce((sum, frame) => sum + frame.length, 0));
    for (const frame of data) file?.add(frame);
    postMessage(await file?.finish());
  })();
});
