/**
 * Pictures on their way in: checked by their header before anything decodes them, turned upright, and brought to the size of
 * the video with an even scale.
 */
import {
  checkPictureBytes,
  coverFit,
  EngineError,
  isMovingPicture,
  outputSize,
  readPictureHeader,
  uprightSize,
} from '../../engine/index.ts';
import type { Picture, PictureFormat, Settings } from '../../engine/index.ts';

/** What is worth saying about a picture that was taken: only its first frame counts, or it will be enlarged. */
export type PictureWarning = 'moving' | 'small';

/** A picture that was taken. */
export type PictureIntake = {
  /** Upright, for showing: its long side has at most `SHOWN_SIDE` pixels. The caller closes it. */
  readonly bitmap: ImageBitmap;
  /** Pixels of the file, upright. */
  readonly width: number;
  readonly height: number;
  readonly format: PictureFormat;
  readonly warnings: readonly PictureWarning[];
};

/** Where a crop sits: 0 at the left or top, 1 at the right or bottom. */
export type Focus = { readonly x: number; readonly y: number };

/** Longest side of a picture that is only shown. */
const SHOWN_SIDE = 2048;
/** A picture whose short side is below this is enlarged so much that it looks soft. */
const SMALL_SIDE = 128;
const CENTRE: Focus = { x: 0.5, y: 0.5 };

/**
 * Resolves to a picture that can be shown and animated. Throws `image/` and: file-size, empty, unknown, svg, unsupported,
 * truncated, damaged, zero-size, side, pixels.
 */
export async function intake(file: Blob): Promise<PictureIntake> {
  const { header, bytes } = await readHeader(file);
  const { width, height } = uprightSize(header);
  const scale = Math.min(1, SHOWN_SIDE / Math.max(width, height));
  const bitmap = await bitmapOf(file, {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: 'high',
  });
  const warnings: PictureWarning[] = [];
  if (isMovingPicture(bytes, header.format)) warnings.push('moving');
  if (Math.min(width, height) < SMALL_SIDE) warnings.push('small');
  return { bitmap, width, height, format: header.format, warnings };
}

/** Resolves to all pixels of a picture, upright, at its own size. Throws like `intake`. */
export async function decodeWhole(file: Blob): Promise<Picture> {
  const { header } = await readHeader(file);
  return pixelsOf(await bitmapOf(file, {}), uprightSize(header), CENTRE);
}

/**
 * Resolves to the pixels of a picture at the size of the video, cropped where `focus` says; sides are multiples of
 * `sideMultiple` unless the settings name a size. Throws like `intake`.
 */
export async function decodePicture(
  file: Blob,
  settings: Settings,
  sideMultiple?: number,
  focus: Focus = CENTRE,
): Promise<Picture> {
  const { header } = await readHeader(file);
  const shown = uprightSize(header);
  const size = outputSize(shown, settings, sideMultiple);
  const { crop } = coverFit(header, size);
  const bitmap = await bitmapOf(file, {
    resizeWidth: Math.max(size.width, Math.round((shown.width * size.width) / crop.width)),
    resizeHeight: Math.max(size.height, Math.round((shown.height * size.height) / crop.height)),
    resizeQuality: 'high',
  });
  return pixelsOf(bitmap, size, focus);
}

async function readHeader(file: Blob) {
  checkPictureBytes(file.size);
  const bytes = new Uint8Array(await file.arrayBuffer());
  return { bytes, header: readPictureHeader(bytes) };
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

/** The part of a bitmap that the focus names, on white. */
function pixelsOf(
  bitmap: ImageBitmap,
  size: Pick<Picture, 'width' | 'height'>,
  focus: Focus,
): Picture {
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  context.fillStyle = 'white'; // behind transparent pictures
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(
    bitmap,
    Math.round((size.width - bitmap.width) * focus.x),
    Math.round((size.height - bitmap.height) * focus.y),
  );
  bitmap.close();
  return { ...size, data: context.getImageData(0, 0, size.width, size.height).data };
}
