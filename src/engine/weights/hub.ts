/**
 * Repositories of a model hub (huggingface.co or a mirror that speaks like it), always at one commit: its files with
 * their lengths and hashes, and their addresses.
 */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { HttpOptions } from './http.ts';
import { fetchBytes, openRemote, urlSource } from './remote-file.ts';
import type { RemoteFile } from './remote-file.ts';

export type HubFile = {
  readonly path: string;
  readonly size: number;
  /** Of files that are stored as large; the hub tells none for small ones. */
  readonly sha256: string | undefined;
};

export type HubOptions = HttpOptions & {
  /** Where the hub is, e.g. a mirror. */
  readonly host?: string;
};

/** A repository at a commit. */
export type HubRepository = {
  readonly repository: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
  /** A name for the file at this commit that no other file has, whatever the host. */
  keyOf(path: string): string;
  /** Asks for a file, to store it. Throws what `openRemote` throws. */
  remote(path: string): Promise<RemoteFile>;
  /** Opens a file to be read by Range requests, nothing kept: for headers, which are looked at before anything is loaded. */
  peek(path: string): Promise<ByteSource>;
};

const HUB = 'https://huggingface.co';
const LISTING_BYTES = 16 * 2 ** 20;
const MAX_FILES = 10_000;
const COMMIT = /^[\da-f]{40}$/;

/**
 * Resolves to a repository with its list of files. Without a commit it is the newest one, to be remembered by the
 * caller. Throws `weights/hub` for an answer that is no listing, and what `fetchBytes` throws.
 */
export async function openHub(
  repository: string,
  commit: string | null,
  options: HubOptions = {},
): Promise<HubRepository> {
  const { host = HUB } = options;
  const pinned = commit ?? (await newestCommit(repository, host, options));
  const url = `${host}/api/models/${repository}/tree/${pinned}?recursive=true`;
  return hubAt(repository, pinned, await listing(url, options), options);
}

/** Returns a repository whose files are known already; the hub is not asked. */
export function hubAt(
  repository: string,
  commit: string,
  files: readonly HubFile[],
  options: HubOptions = {},
): HubRepository {
  const { host = HUB } = options;
  const addressOf = (path: string): string =>
    `${host}/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
  return {
    ...{ repository, commit, files },
    keyOf: (path) => `${repository}@${commit}/${path}`,
    remote: (path) => openRemote(addressOf(path), options),
    peek: (path) => urlSource(addressOf(path), options),
  };
}

async function newestCommit(
  repository: string,
  host: string,
  options: HubOptions,
): Promise<string> {
  const { sha } = objectOf(await json(`${host}/api/models/${repository}`, options));
  if (typeof sha === 'string' && COMMIT.test(sha)) return sha;
  throw refuse(repository, 'no commit');
}

async function listing(url: string, options: HubOptions): Promise<readonly HubFile[]> {
  const entries = await json(url, options);
  if (!Array.isArray(entries) || entries.length > MAX_FILES) throw refuse(url, 'no list of files');
  return entries.flatMap((entry: unknown): HubFile[] => {
    const { type, path, size, lfs } = objectOf(entry);
    if (type === 'directory') return [];
    const sound = typeof path === 'string' && Number.isSafeInteger(size) && isPlainPath(path);
    if (!sound || typeof size !== 'number') throw refuse(url, `the entry ${JSON.stringify(entry)}`);
    const oid = lfs === undefined ? undefined : objectOf(lfs)['oid'];
    return [{ path, size, sha256: typeof oid === 'string' ? oid : undefined }];
  });
}

/** A path below the repository, without a way out. */
const isPlainPath = (path: string): boolean =>
  !path.split('/').some((part) => part === '' || part === '.' || part === '..');

async function json(url: string, options: HubOptions): Promise<unknown> {
  const bytes = await fetchBytes(url, options, LISTING_BYTES);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw refuse(url, 'no JSON', cause);
  }
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const refuse = (place: string, have: string, cause?: unknown): EngineError =>
  new EngineError(
    'weights/hub',
    `${place} — got ${have}, needs a model hub's answer — check the repository or use another mirror`,
    cause === undefined ? {} : { cause },
  );
