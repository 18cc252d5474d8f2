/** Files that come in: pictures to animate, or a video of this app, whose settings are taken over. */
import { signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import { settingsOf } from '../output/read-settings.ts';
import { takeSharedPicture } from '../trust/share-target.ts';
import { failure } from './jobs.ts';
import { choosePicture, picture } from './picture.ts';
import { adoptSettings } from './wishes.ts';

/** Whether settings were just taken over from a file. */
export const adopted = signal(false);

/** Takes files in; the first picture is the one on the stage. */
export async function takeFiles(files: readonly File[]): Promise<void> {
  failure.value = undefined;
  adopted.value = false;
  const video = files.find(({ type }) => type.startsWith('video/'));
  const [first, ...more] = files.filter((file) => file !== video);
  if (video) await adopt(video);
  if (!first) return;
  if (!video) await adoptFromPicture(first);
  await choosePicture(first, more);
  failure.value = picture.value?.fault;
}

/** Takes the picture in that another app handed over, if there is one. */
export async function takeShared(): Promise<void> {
  const shared = await takeSharedPicture();
  if (shared) await choosePicture(shared);
}

/** A GIF or PNG that was saved here tells its settings too; most pictures tell nothing, or another program's. */
async function adoptFromPicture(file: File): Promise<void> {
  try {
    adoptSettings((await settingsOf(file)).settings);
    adopted.value = true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

async function adopt(file: File): Promise<void> {
  try {
    adoptSettings((await settingsOf(file)).settings);
    adopted.value = true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    failure.value = { code: error.code, message: error.message };
  }
}
