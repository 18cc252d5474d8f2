/** The picture that is to move: its file, its size when it can be read, and which part of it is seen. */
import { batch, computed, signal } from '@preact/signals';
import { coverFit, EngineError, outputSize, resolveSettings } from '../../engine/index.ts';
import type { Settings } from '../../engine/index.ts';
import type { Failure } from '../engine/protocol.ts';
import { intake } from '../files/picture.ts';
import type { PictureWarning } from '../files/picture.ts';
import { settingsOf, wishes } from './wishes.ts';
import type { Shape } from './wishes.ts';

export type Size = { readonly width: number; readonly height: number };

export type ChosenPicture = {
  readonly file: Blob;
  readonly url: string;
  /** Upright; absent for a file that is no picture. */
  readonly size?: Size;
  /** What is wrong with it. */
  readonly fault?: Failure;
  readonly warnings: readonly PictureWarning[];
};

/** The chosen picture. */
export const picture = signal<ChosenPicture | undefined>(undefined);

/** Pictures that are to be animated as well, in the same way. */
export const morePictures = signal<readonly Blob[]>([]);

/** The picture to arrive at, for models that take one. */
export const lastPicture = signal<ChosenPicture | undefined>(undefined);

/** What a picture is to say or sing, for models that take a sound. */
export const sound = signal<File | undefined>(undefined);

/** Where the crop sits in what hangs over: 0 at the left or top, 1 at the right or bottom. */
export const focus = signal({ x: 0.5, y: 0.5 });

/** Takes a file as the picture, and `more` beside it; what is wrong with it is kept with it. */
export async function choosePicture(file: Blob, more: readonly Blob[] = []): Promise<void> {
  const taken = await takenIn(file);
  batch(() => {
    if (picture.value) URL.revokeObjectURL(picture.value.url);
    focus.value = { x: 0.5, y: 0.5 };
    picture.value = taken;
    morePictures.value = more;
  });
}

/** Takes a file as the picture to arrive at, or takes that away. */
export async function chooseLastPicture(file: Blob | undefined): Promise<void> {
  const taken = file && (await takenIn(file));
  if (lastPicture.value) URL.revokeObjectURL(lastPicture.value.url);
  lastPicture.value = taken;
}

async function takenIn(file: Blob): Promise<ChosenPicture> {
  const url = URL.createObjectURL(file);
  try {
    const { bitmap, width, height, warnings } = await intake(file);
    bitmap.close();
    return { file, url, warnings, size: { width, height } };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { code, message, have, need } = error;
    const told = { ...(have !== undefined && { have }), ...(need !== undefined && { need }) };
    return { file, url, warnings: [], fault: { code, message, ...told } };
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
