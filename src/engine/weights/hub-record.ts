/** What a hub said of a repository, remembered, so that a stored model is opened without a network. */
import { EngineError } from '../gpu/errors.ts';
import type { HubFile, HubOptions, HubRepository } from './hub.ts';
import { hubAt, openHub } from './hub.ts';
import { saveFile } from './packs.ts';
import type { Store } from './store.ts';

type HubRecord = { readonly commit: string; readonly files: readonly HubFile[] };

/**
 * Resolves to a repository as it was when it was first asked for; only then the hub is. Without a commit that is the one
 * that was the newest then. Throws what `openHub` throws.
 */
export async function rememberedHub(
  store: Store,
  repository: string,
  commit: string | null,
  options: HubOptions = {},
): Promise<HubRepository> {
  const known = await knownHub(store, repository, commit, options);
  if (known) return known;
  const key = keyOf(repository, commit);
  const hub = await openHub(repository, commit, options);
  const record: HubRecord = { commit: hub.commit, files: hub.files };
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  await store.alone(key, options.signal, () => saveFile(store, key, bytes.byteLength, once(bytes)));
  return hub;
}

/** Resolves to a repository as it is remembered; undefined where it never was asked for. */
export async function knownHub(
  store: Store,
  repository: string,
  commit: string | null,
  options: HubOptions = {},
): Promise<HubRepository | undefined> {
  const known = await readRecord(store, keyOf(repository, commit));
  return known && hubAt(repository, known.commit, known.files, options);
}

const keyOf = (repository: string, commit: string | null): string =>
  `hub ${repository}@${commit ?? 'newest'}`;

/** Forgets what was said, so that the newest commit is looked up again. */
export const forgetHub = (store: Store, repository: string, commit: string | null): Promise<void> =>
  store.remove(keyOf(repository, commit));

async function readRecord(store: Store, key: string): Promise<HubRecord | undefined> {
  const file = await store.open(key).catch((error: unknown) => {
    if (error instanceof EngineError && error.code === 'weights/corrupt') return undefined;
    throw error;
  });
  if (!file) return undefined;
  return JSON.parse(new TextDecoder().decode(await file.read(0, file.size))) as HubRecord;
}

async function* once(bytes: Uint8Array<ArrayBuffer>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield bytes;
}
