/** Tells after a start whether the page went down in the middle of a run, without a word: want of memory ends tabs like that. */

export type CrashMarker = {
  /** Returns the job that ran when the page went down, once; undefined where it was left in order. */
  left(): string | undefined;
  set(id: string): void;
  clear(): void;
};

const KEY = 'zoetrope/running';

/** Where the marker is kept; a part of `Storage`. */
export type MarkerStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/**
 * Returns the marker in `storage`. A page that is left or refreshed says so with `pagehide` on `page`, and takes its
 * marker with it; one that dies cannot.
 */
export function crashMarker(storage: MarkerStorage, page: EventTarget): CrashMarker {
  const attempt = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch {
      return undefined; // storage is forbidden: a crash is not told, which is all that is lost
    }
  };
  const clear = (): void => {
    attempt(() => storage.removeItem(KEY));
  };
  page.addEventListener('pagehide', clear);
  return {
    clear,
    set(id) {
      attempt(() => storage.setItem(KEY, id));
    },
    left() {
      const id = attempt(() => storage.getItem(KEY)) ?? undefined;
      clear();
      return id;
    },
  };
}
