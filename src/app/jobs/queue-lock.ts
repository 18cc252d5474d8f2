/** A lock that keeps the queues of two tabs apart: both would run the same jobs. */

const LOCK = 'zoetrope/queue';

/** Resolves to whether this tab is the one that has the kept queue; it then stays so until it is closed. */
export const takeQueueLock = (): Promise<boolean> =>
  new Promise((resolve) => {
    void navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise(() => undefined) : undefined;
    });
  });
