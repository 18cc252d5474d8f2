/** The app's small things in IndexedDB: jobs, their pictures, the log of runs, speeds of this machine. */

/** Values under keys; in IndexedDB, or in memory for tests. */
export type KeyedStore<T> = {
  get(key: string): Promise<T | undefined>;
  all(): Promise<T[]>;
  put(key: string, value: T): Promise<void>;
  delete(key: string): Promise<void>;
};

const NAME = 'zoetrope';
const STORES = ['jobs', 'blobs', 'runs', 'speeds'] as const;

export type StoreName = (typeof STORES)[number];

let opened: Promise<IDBDatabase> | undefined;

/** Returns a store of the app's database; it is opened on first use. Calls reject with the browser's own errors. */
export function databaseStore<T>(name: StoreName): KeyedStore<T> {
  const run = async <R>(
    mode: IDBTransactionMode,
    act: (store: IDBObjectStore) => IDBRequest<R>,
  ): Promise<R> => {
    const transaction = (await openDatabase()).transaction(name, mode);
    const request = act(transaction.objectStore(name));
    return new Promise((resolve, reject) => {
      // Written things are there when the transaction is, not the request.
      transaction.addEventListener('complete', () => resolve(request.result));
      const fail = (): void => reject(transaction.error ?? request.error ?? new Error('stopped'));
      transaction.addEventListener('abort', fail);
      transaction.addEventListener('error', fail);
    });
  };
  return {
    get: (key) => run('readonly', (store) => store.get(key) as IDBRequest<T | undefined>),
    all: () => run('readonly', (store) => store.getAll() as IDBRequest<T[]>),
    put: async (key, value) => void (await run('readwrite', (store) => store.put(value, key))),
    async delete(key) {
      await run('readwrite', (store) => store.delete(key));
    },
  };
}

function openDatabase(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.addEventListener('upgradeneeded', () => {
      for (const name of STORES) request.result.createObjectStore(name);
    });
    request.addEventListener('success', () => {
      // Another tab may erase everything: it must not have to wait for this one.
      request.result.addEventListener('versionchange', () => {
        request.result.close();
        opened = undefined;
      });
      resolve(request.result);
    });
    request.addEventListener('error', () => reject(request.error ?? new Error('no database')));
  });
  opened.catch(() => (opened = undefined));
  return opened;
}

/** Returns a store that forgets all with the page. */
export function memoryStore<T>(): KeyedStore<T> {
  const values = new Map<string, T>();
  return {
    get: async (key) => values.get(key),
    all: async () => [...values.values()],
    put: async (key, value) => void values.set(key, structuredClone(value)),
    delete: async (key) => void values.delete(key),
  };
}
