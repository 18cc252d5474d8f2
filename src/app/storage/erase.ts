/** Erasing all that this site keeps on the machine. */
import { EngineError } from '../../engine/index.ts';
import { folderAt, removeEntry, storageError } from './folders.ts';

/** An open database or file may take this long to let go. */
const PATIENCE_MS = 5000;

/**
 * Removes everything that this site keeps: private files, databases, caches, the service worker, what is remembered. Throws
 * `storage/busy` when something is in use; all else is gone then too.
 */
export async function eraseAll(): Promise<void> {
  const outcomes = await Promise.allSettled([
    eraseFiles(),
    eraseDatabases(),
    eraseCaches(),
    eraseServiceWorker(),
  ]);
  localStorage.clear();
  sessionStorage.clear();
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw storageError(failed.reason);
}

async function eraseFiles(): Promise<void> {
  const root = await folderAt();
  const names: string[] = [];
  for await (const name of root.keys()) names.push(name);
  const outcomes = await Promise.allSettled(names.map((name) => removeEntry(root, name)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

async function eraseDatabases(): Promise<void> {
  const known = await indexedDB.databases();
  await Promise.all(known.flatMap(({ name }) => (name === undefined ? [] : [eraseDatabase(name)])));
}

function eraseDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.addEventListener('success', () => resolve());
    request.addEventListener('error', () => reject(storageError(request.error)));
    setTimeout(() => {
      const message = `storage — got database "${name}" in use, needs it closed — close other tabs`;
      reject(new EngineError('storage/busy', message));
    }, PATIENCE_MS);
  });
}

async function eraseCaches(): Promise<void> {
  for (const name of await caches.keys()) await caches.delete(name);
}

async function eraseServiceWorker(): Promise<void> {
  for (const registration of (await navigator.serviceWorker?.getRegistrations()) ?? []) {
    await registration.unregister();
  }
}
