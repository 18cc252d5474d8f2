/** What is added to the queue: every chosen picture with every seed. */
import { computed, signal } from '@preact/signals';
import { eachSeed } from '../jobs/job.ts';
import { addJobs, failure } from './jobs.ts';
import { modelChoice } from './models.ts';
import { focus, lastPicture, morePictures, picture, settings } from './picture.ts';
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
  failure.value = chosen
    ? chosen.fault
    : { code: 'picture/none', message: 'no picture — choose one' };
  if (!chosen || failure.value) return;
  const seeds = Array.from({ length: seedCount.value }, (_, i) => (wishes.value.seed + i) % SEEDS);
  const job = {
    ...{ model: modelChoice.value, settings: settings.value, focus: focus.value },
    ...(lastPicture.value && { lastPicture: lastPicture.value.file }),
  };
  await addJobs(eachSeed(job, [chosen.file, ...morePictures.value], seeds));
}
