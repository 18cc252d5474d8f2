/** What is added to the queue: every chosen picture with every seed. */
import { computed, signal } from '@preact/signals';
import type { Failure } from '../engine/protocol.ts';
import { eachSeed } from '../jobs/job.ts';
import { addJobs, failure } from './jobs.ts';
import { modelChoice } from './models.ts';
import { foretold } from './estimates.ts';
import { focus, lastPicture, morePictures, picture, settings, sound } from './picture.ts';
import { wishes } from './wishes.ts';

/** Most seeds that one press of the button asks for. */
export const MOST_SEEDS = 8;
/** How many seeds are tried, from the one that is set on. */
export const seedCount = signal(1);

const SEEDS = 2 ** 32;

/** How many videos the button would ask for. */
export const batchSize = computed(() => (1 + morePictures.value.length) * seedCount.value);

/** Adds the videos as wished; says what is missing where they cannot be made. */
export async function animate(): Promise<void> {
  const chosen = picture.value;
  failure.value = chosen?.fault ?? missing();
  if (failure.value) return;
  const seeds = Array.from({ length: seedCount.value }, (_, i) => (wishes.value.seed + i) % SEEDS);
  const job = {
    ...{ model: modelChoice.value, settings: settings.value, focus: focus.value },
    ...(takes('lastPicture') && lastPicture.value && { lastPicture: lastPicture.value.file }),
    ...(takes('sound') && sound.value && { sound: sound.value }),
  };
  const made = chosen
    ? eachSeed(job, [chosen.file, ...morePictures.value], seeds)
    : seeds.map((seed) => ({ ...job, settings: { ...job.settings, seed } }));
  await addJobs(made);
}

/** Whether the model takes an input; before it has told, a picture is what it takes. */
export const takes = (what: 'lastPicture' | 'sound'): boolean =>
  foretold.value !== undefined && foretold.value.takes[what] !== 'no';

/** What the model needs and was not given. */
function missing(): Failure | undefined {
  const needs = foretold.value?.takes;
  if (!picture.value && (needs?.picture ?? 'needed') === 'needed')
    return { code: 'picture/none', message: 'no picture — choose one' };
  if (!sound.value && needs?.sound === 'needed')
    return { code: 'audio/missing', message: 'no sound — choose one' };
  return undefined;
}
