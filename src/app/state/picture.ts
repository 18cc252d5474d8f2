/** The picture that is to move: its file, its size when it can be read, and which part of it is seen. */
import { computed, signal } from '@preact/signals';
import {
  coverFit,
  EngineError,
  outputSize,
  readPictureHeader,
  resolveSettings,
  uprightSize,
} from '../../engine/index.ts';
import type { Settings } from '../../engine/index.ts';
import { settingsOf, wishes } from './wishes.ts';
import type { Shape } from './wishes.ts';

export type Size = { readonly width: number; readonly height: number };
export type Fault = { readonly code: string; readonly message: string };

export type ChosenPicture = {
  readonly file: Blob;
  readonly url: string;
  /** Upright; absent for a file that is no picture. */
  readonly size?: Size;
  /** What is wrong with it. */
  readonly fault?: Fault;
};

/** The chosen picture. */
export const picture = signal<ChosenPicture | undefined>(undefined);

/** Where the crop sits in what hangs over: 0 at the left or top, 1 at the right or bottom. */
export const focus = signal({ x: 0.5, y: 0.5 });

/** Takes a file as the picture; what is wrong with it is kept beside it. */
export async function choosePicture(file: Blob): Promise<void> {
  const read = await sizeOf(file);
  if (picture.value) URL.revokeObjectURL(picture.value.url);
  focus.value = { x: 0.5, y: 0.5 };
  picture.value = { file, url: URL.createObjectURL(file), ...read };
}

/** Takes the picture away. */
export function dropPicture(): void {
  if (picture.value) URL.revokeObjectURL(picture.value.url);
  picture.value = undefined;
}

async function sizeOf(file: Blob): Promise<{ size: Size } | { fault: Fault }> {
  try {
    return { size: uprightSize(readPictureHeader(new Uint8Array(await file.arrayBuffer()))) };
  } catch (error) {
    if (error instanceof EngineError)
      return { fault: { code: error.code, message: error.message } };
    throw error;
  }
}

/** The settings of a run with the picture as it is: `shape` has become a size. */
export const settings = computed<Partial<Settings>>(() => {
  const asked = settingsOf(wishes.value);
  const size = picture.value?.size;
  const { shape } = wishes.value;
  if (shape === 'picture' || !size) return asked;
  return { ...asked, size: outputSize(within(size, shape), resolveSettings(asked)) };
});

/** The size of the video and the part of the picture that is seen, in the picture's pixels. */
export const crop = computed(() => {
  const size = picture.value?.size;
  if (!size) return undefined;
  const video = outputSize(size, resolveSettings(settings.value));
  return { video, seen: coverFit({ ...size, orientation: 1 }, video, focus.value).crop };
});

/** The largest part of that shape. */
function within(size: Size, shape: Exclude<Shape, 'picture'>): Size {
  const [across = 1, down = 1] = shape.split(':').map(Number);
  const scale = Math.min(size.width / across, size.height / down);
  return { width: across * scale, height: down * scale };
}
