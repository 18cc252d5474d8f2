/** A picture file decoded to RGBA at the size of the video: checked by its header first, turned upright, cropped evenly. */
import {
  coverFit,
  EngineError,
  outputSize,
  readPictureHeader,
  uprightSize,
} from '../engine/index.ts';
import type { Picture, Settings } from '../engine/index.ts';

/** Resolves to all pixels of a picture, upright, at its own size. Throws like `decodePicture`. */
export async function decodeWhole(file: Blob): Promise<Picture> {
  const header = readPictureHeader(new Uint8Array(await file.arrayBuffer()));
  const bitmap = await bitmapOf(file, {});
  return pixelsOf(bitmap, uprightSize(header));
}

/**
 * Resolves to the pixels; sides are multiples of `sideMultiple` unless the settings name a size. Throws the engine's
 * `image/` errors, `image/damaged` when the browser cannot decode it.
 */
export async function decodePicture(
  file: Blob,
  settings: Settings,
  sideMultiple?: number,
): Promise<Picture> {
  const header = readPictureHeader(new Uint8Array(await file.arrayBuffer()));
  const shown = uprightSize(header);
  const size = outputSize(shown, settings, sideMultiple);
  const { crop } = coverFit(header, size);
  const bitmap = await bitmapOf(file, {
    resizeWidth: Math.max(size.width, Math.round((shown.width * size.width) / crop.width)),
    resizeHeight: Math.max(size.height, Math.round((shown.height * size.height) / crop.height)),
    resizeQuality: 'high',
  });
  return pixelsOf(bitmap, size);
}

const bitmapOf = (file: Blob, options: ImageBitmapOptions): Promise<ImageBitmap> =>
  createImageBitmap(file, { imageOrientation: 'from-image', ...options }).catch(
    (cause: unknown) => {
      throw new EngineError(
        'image/damaged',
        'picture — got a file that the browser cannot decode, needs a whole picture — save it again',
        { cause },
      );
    },
  );

/** The middle of a bitmap on white. */
function pixelsOf(bitmap: ImageBitmap, size: Pick<Picture, 'width' | 'height'>): Picture {
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
