/** One lock over all tabs that tells whether a video is being made: a new version of the app waits for its end. */

/** Name of the lock; held shared by every run. */
const GENERATION_LOCK = 'zoetrope/generation';

/** Resolves to what `work` gives; no update of the app is put in place until then, in any tab. */
export function whileGenerating<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks.request(GENERATION_LOCK, { mode: 'shared' }, work);
}

/** Resolves to whether a video is being made in any tab. */
export async function isGenerating(): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === GENERATION_LOCK);
}
