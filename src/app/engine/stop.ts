/** Ends a run at once: by its cancel, by the loss of its device, and in either case with the device idle and free. */
import { EngineError } from '../../engine/index.ts';
import type { Gpu } from '../../engine/index.ts';

/** Work that has not ended so long after its cancel is ended with its device. */
const PATIENCE_MS = 800;

/**
 * Resolves with what `work` gives. Rejects with the reason of `signal` soon after it fires, `gpu/lost` when the device
 * goes away, which `onLost` is told at once; by then nothing of the run is on the device any more, or the device was
 * given up by `drop`.
 */
export async function untilStopped<T>(
  gpu: Gpu,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  drop: () => void,
  onLost: (error: EngineError) => void = () => undefined,
): Promise<T> {
  const inner = new AbortController();
  const stop = (): void => inner.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const forget = onLoss(gpu, (error) => {
    onLost(error);
    inner.abort(error);
  });
  const stopped = new Promise<never>((_, reject) => {
    const tell = (): void => reject(inner.signal.reason as Error);
    if (inner.signal.aborted) tell();
    inner.signal.addEventListener('abort', tell, { once: true });
  });
  const running = work(inner.signal);
  try {
    return await Promise.race([running, stopped]);
  } catch (error) {
    // What the device said while it went down says less than that it did.
    if (!inner.signal.aborted) throw (await lossOf(gpu)) ?? error;
    if (!(await settles(running, PATIENCE_MS))) drop();
    throw inner.signal.reason;
  } finally {
    forget();
    signal.removeEventListener('abort', stop);
    stopped.catch(() => undefined);
  }
}

type LossListener = (error: EngineError) => void;

const listeners = new WeakMap<Gpu, Set<LossListener>>();

/**
 * Calls `listener` when the device goes away; returns what ends that. The device's promise has one listener of ours: it
 * lives as long as the device, and would hold on to each run's result.
 */
function onLoss(gpu: Gpu, listener: LossListener): () => void {
  const known = listeners.get(gpu);
  const all = known ?? new Set();
  listeners.set(gpu, all);
  all.add(listener);
  if (!known) {
    void gpu.lost.then(({ reason, message }) => {
      const what = `device — was lost (${reason}: ${message}) — try again`;
      for (const each of all) each(new EngineError('gpu/lost', what));
    });
  }
  return () => all.delete(listener);
}

/** The loss of a device, if that has happened: an error of a lost device may come a moment before the word of it. */
async function lossOf({ lost }: Gpu): Promise<EngineError | undefined> {
  const loss = await Promise.race([lost, after(50)]);
  if (!loss) return undefined;
  return new EngineError('gpu/lost', `device — was lost (${loss.reason}) — try again`);
}

const after = (ms: number): Promise<undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(undefined), ms));

/** Whether work ends, well or badly, within a time. */
async function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  const ended = work.then(
    () => true,
    () => true,
  );
  return (await Promise.race([ended, after(ms)])) ?? false;
}

/** Losses so close together that another try would end the same way. */
const MOST_LOSSES = 3;
const WINDOW_MS = 5 * 60_000;
/** A GPU process that goes down takes a while for it: devices that are opened meanwhile go down with it, all in one incident. */
const INCIDENT_MS = 10_000;
/** Devices of one incident; with more of them it is no accident. */
const MOST_IN_ONE = 8;

/** Counts how often the device went away lately, over all runs. */
export class LossCounter {
  readonly #now: () => number;
  #at: number[] = [];
  #inOne = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Takes a loss; returns whether it is one too many: the third within five minutes. One soon after another, before the
   * device that it took did any work, is part of that.
   */
  take(worked: boolean): boolean {
    const now = this.#now();
    if (!worked && now - (this.#at.at(-1) ?? -Infinity) < INCIDENT_MS) {
      this.#inOne++;
      return this.#inOne >= MOST_IN_ONE;
    }
    this.#inOne = 1;
    this.#at = [...this.#at.filter((at) => now - at < WINDOW_MS), now];
    return this.#at.length >= MOST_LOSSES;
  }
}
