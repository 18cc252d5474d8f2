/** A picture file decoded to RGBA at the size of the video: checked by its header first, turned upright, cropped evenly. */
import {
  coverFit,
  EngineError,
  outputSize,
  readPictureHeader,
  uprightSize,
} from '../engine/index.ts';
import type { Picture, Settings } from '../engine/index.ts';

/** Resolves to the pixels. Throws the engine's `image/` errors, `image/damaged` when the browser cannot decode it. */
export async function decodePicture(file: Blob, settings: Settings): Promise<Picture> {
  const header = readPictureHeader(new Uint8Array(await file.arrayBuffer()));
  const shown = uprightSize(header);
  const size = outputSize(shown, settings);
  const { crop } = coverFit(header, size);
  const bitmap = await createImageBitmap(file, {
    imageOrientation: 'from-image',
    resizeWidth: Math.max(size.width, Math.round((shown.width * size.width) / crop.width)),
    resizeHeight: Math.max(size.height, Math.round((shown.height * size.height) / crop.height)),
    resizeQuality: 'high',
  }).catch((cause: unknown) => {
    throw new EngineError(
      'image/damaged',
      'picture — got a file that the browser cannot decode, needs a whole picture — save it again',
      { cause },
    );
  });
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  context.fillStyle = 'white'; // behind transparent pictures
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(
    bitmap,
    Math.round((size.width - bitmap.width) / 2),
    Math.round((size.height - bitmap.height) / 2),
  );
  bitmap.close();
  return { ...size, data: context.getImageData(0, 0, size.width, size.height).data };
}
