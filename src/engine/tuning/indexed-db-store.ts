/** Timings in IndexedDB, for a page or its worker. */
import type { TuningStore } from './store.ts';

const DATABASE = 'zoetrope-tuning';
const RECORDS = 'records';

/** Returns a store in the origin's database. Its promises reject where the browser keeps none, e.g. in private windows. */
export function indexedDbStore(factory: IDBFactory = indexedDB): TuningStore {
  const open = (): Promise<IDBDatabase> => {
    const request = factory.open(DATABASE, 1);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore(RECORDS));
    return settled(request);
  };
  const run = async <T>(
    mode: IDBTransactionMode,
    act: (records: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    const database = await open();
    try {
      return await settled(act(database.transaction(RECORDS, mode).objectStore(RECORDS)));
    } finally {
      database.close();
    }
  };
  return {
    load: (adapter) => run<unknown>('readonly', (records) => records.get(adapter)),
    save: async (adapter, record) => {
      await run('readwrite', (records) => records.put(record, adapter));
    },
  };
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('IndexedDB')));
  });
