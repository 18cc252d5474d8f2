/** The worker's device: opened on first use, opened anew after a loss, and given up when it does not answer. */
import { EngineError, openDevice } from '../../engine/index.ts';
import type { Gpu } from '../../engine/index.ts';

/** A driver that has not answered by then never does. */
const TIMEOUT_MS = 8000;

export type DeviceHolder = {
  /** Resolves to the device. Rejects with what `openDevice` throws and `gpu/timeout`; the next call tries again. */
  get(): Promise<Gpu>;
  /** Gives the device up: all that is on it is freed at once, and the next run opens another. */
  drop(): void;
};

/** Returns a holder of a device of `entry`; `timeoutMs` is for tests. */
export function holdDevice(entry: GPU | undefined, timeoutMs = TIMEOUT_MS): DeviceHolder {
  let opened: Promise<Gpu> | undefined;
  const forget = (): void => void (opened = undefined);
  return {
    get() {
      if (opened) return opened;
      const opening = inTime(openDevice({ gpu: entry }), timeoutMs);
      opened = opening;
      opening.then(({ lost }) => {
        void lost.then(() => opened === opening && forget());
      }, forget);
      return opening;
    },
    drop() {
      void opened?.then((gpu) => gpu.destroy());
      forget();
    },
  };
}

async function inTime(opening: Promise<Gpu>, timeoutMs: number): Promise<Gpu> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      void opening.then((gpu) => gpu.destroy()).catch(() => undefined); // too late to be of use
      reject(
        new EngineError(
          'gpu/timeout',
          `device — got no answer within ${timeoutMs} ms, needs one — restart the browser`,
        ),
      );
    }, timeoutMs);
  });
  return Promise.race([opening, late]).finally(() => clearTimeout(timer));
}
