/** Web Locks in memory: exclusive, first come, first served. A kill lets go of all of them. */
import type { Locks } from '../../src/engine/weights/store.ts';

export class FakeLocks implements Locks {
  #tails = new Map<string, Promise<unknown>>();

  async request<T>(
    name: string,
    { signal }: { signal?: AbortSignal },
    work: () => Promise<T>,
  ): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const mine = before
      .catch(() => undefined)
      .then(() => {
        signal?.throwIfAborted();
        return work();
      });
    this.#tails.set(name, mine);
    return mine;
  }

  kill(): void {
    this.#tails = new Map();
  }
}
