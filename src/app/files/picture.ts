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
/** How much larger than the video a picture may be scaled before it is cropped. */
const MOST_HANGING_OVER = 4;
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
  const { crop } = coverFit(header, size, focus);
  const resizeWidth = Math.max(size.width, Math.round((shown.width * size.width) / crop.width));
  const resizeHeight = Math.max(
    size.height,
    Math.round((shown.height * size.height) / crop.height),
  );
  if (resizeWidth * resizeHeight > MOST_HANGING_OVER * size.width * size.height) {
    // A narrow strip: most of it would be enlarged only to be cut off.
    return drawn(await bitmapOf(file, {}), size, crop);
  }
  const bitmap = await bitmapOf(file, { resizeWidth, resizeHeight, resizeQuality: 'high' });
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

type Size = Pick<Picture, 'width' | 'height'>;

/** The part of a bitmap that the focus names, on white. */
const pixelsOf = (bitmap: ImageBitmap, size: Size, focus: Focus): Picture =>
  drawn(bitmap, size, {
    x: Math.round((bitmap.width - size.width) * focus.x),
    y: Math.round((bitmap.height - size.height) * focus.y),
    ...size,
  });

/** A part of a bitmap at a size, on white; closes the bitmap. */
function drawn(bitmap: ImageBitmap, size: Size, part: Size & Focus): Picture {
  const { width, height } = size;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  context.fillStyle = 'white'; // behind transparent pictures
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, part.x, part.y, part.width, part.height, 0, 0, width, height);
  bitmap.close();
  return { ...size, data: context.getImageData(0, 0, width, height).data };
}
