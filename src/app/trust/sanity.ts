/**
 * The sanity check: the built-in model on a bundled picture, compared with stored frames. It tells a machine that computes
 * wrongly from one that is only slow. `npm run sanity -- --write` made the frames.
 */
import pictureUrl from './sanity-picture.png?url';
import { decodeFrames } from '../../engine/index.ts';
import type { Settings } from '../../engine/index.ts';
import { blockMeans, decibels } from './block-means.ts';
import reference from './sanity-reference.json' with { type: 'json' };

/** How near this machine comes to the stored frames. */
export type SanityReport = {
  /** Peak signal-to-noise ratio over the mean colours of blocks of 8 × 8 pixels, at most 60. */
  readonly decibels: number;
  readonly matches: boolean;
};

/** A run of the built-in model: what the engine's client offers, as far as it is needed here. */
export type SanityRun = (wishes: {
  readonly picture: Blob;
  readonly settings: Partial<Settings>;
}) => Promise<{ readonly video: { readonly file: Uint8Array<ArrayBuffer> } }>;

/** Half precision and the video's codec stay well above this; a wrong kernel falls far below. */
const ENOUGH_DB = 34;

/** Resolves to how near this machine comes. Throws what the run throws, `video/decode`, `video/damaged`. */
export async function checkSanity(run: SanityRun): Promise<SanityReport> {
  const picture = await (await fetch(pictureUrl)).blob();
  const settings = reference.settings as Partial<Settings>;
  const { video } = await run({ picture, settings });
  const { width, height } = reference.settings.size;
  const means: number[] = [];
  for await (const frame of decodeFrames(video.file))
    means.push(...blockMeans(frame, width, height));
  return compared(means);
}

/** Returns how near the mean colours of all blocks of all frames are to the stored ones. */
export function compared(means: readonly number[]): SanityReport {
  const stored = reference.frames.flatMap((text) =>
    Array.from(atob(text), (letter) => letter.charCodeAt(0)),
  );
  const near = decibels(means, stored);
  return { decibels: near, matches: near >= ENOUGH_DB };
}
