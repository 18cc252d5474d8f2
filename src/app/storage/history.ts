/** Finished videos in the browser's private file system: a folder each, with the video, a poster, and what made it. */
import { EngineError } from '../../engine/index.ts';
import { parseFacts } from './facts.ts';
import type { ResultFacts } from './facts.ts';
import { folderAt, readFile, removeEntry, writeFile } from './folders.ts';
import { keepFrameFiles, openFrameFile, removeFrameFile } from './frame-file.ts';

export type { ResultFacts } from './facts.ts';

const FOLDER = 'results';
const FACTS = 'facts.json';
const VIDEO = 'video';
const POSTER = 'poster';
/** Results whose raw frames are kept, the newest first. */
const WITH_FRAMES = 3;

/** A finished video on its way into the history. */
export type NewResult = Omit<ResultFacts, 'id' | 'createdAt' | 'bytes'> & {
  readonly video: Blob;
  /** A small picture of it. */
  readonly poster?: Blob;
};

/** A stored video with all that belongs to it. */
export type StoredResult = {
  readonly facts: ResultFacts;
  readonly video: Blob;
  /** RGBA, one frame after another, where they are still kept. */
  readonly rawFrames: Blob | undefined;
};

/** Held while a video is stored: what another tab has begun is no rubbish. */
const LOCK = 'zoetrope/history';

/** Stores a finished video; resolves to its id. Throws `storage/quota`, `storage/forbidden`: nothing half-written stays. */
export const add = (result: NewResult): Promise<string> =>
  navigator.locks.request(LOCK, () => stored(result));

async function stored(result: NewResult): Promise<string> {
  await removeUnfinished();
  const { video, poster, ...rest } = result;
  const id = crypto.randomUUID();
  const facts: ResultFacts = { ...rest, id, createdAt: Date.now(), bytes: video.size };
  const folder = await folderAt(FOLDER, id);
  try {
    await writeFile(folder, VIDEO, video);
    if (poster) await writeFile(folder, POSTER, poster);
    await writeFile(folder, FACTS, JSON.stringify(facts)); // last: without it there is no result
  } catch (error) {
    await removeEntry(await folderAt(FOLDER), id).catch(() => undefined); // the first failure counts
    throw error;
  }
  await dropOldFrames();
  return id;
}

/** Resolves to what is stored, the newest first; what is damaged or was not written to its end is left out. */
export async function list(): Promise<readonly ResultFacts[]> {
  const folder = await folderAt(FOLDER);
  const found: ResultFacts[] = [];
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind !== 'directory') continue;
    const facts = await factsIn(entry);
    if (facts) found.push({ ...facts, id: name });
  }
  return found.sort((a, b) => b.createdAt - a.createdAt);
}

/** What a folder says of its video, undefined where that is damaged or missing. */
async function factsIn(folder: FileSystemDirectoryHandle): Promise<ResultFacts | undefined> {
  const text = await (await readFile(folder, FACTS))?.text();
  try {
    return text === undefined ? undefined : parseFacts(text);
  } catch {
    return undefined;
  }
}

/** Removes what a closed page or a full disk left half-written. */
async function removeUnfinished(): Promise<void> {
  const folder = await folderAt(FOLDER);
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === 'directory' && !(await factsIn(entry))) await removeEntry(folder, name);
  }
}

/** Resolves to the video. Throws `storage/missing`. */
export const open = async (id: string): Promise<Blob> => (await openResult(id)).video;

/** Resolves to the small picture of a video, undefined where it has none. */
export const poster = async (id: string): Promise<Blob | undefined> =>
  readFile(await folderAt(FOLDER, id), POSTER);

/** Resolves to a video with its facts and frames. Throws `storage/missing`, `storage/damaged`. */
export async function openResult(id: string): Promise<StoredResult> {
  const results = await folderAt(FOLDER);
  const folder = await results.getDirectoryHandle(id).catch(() => undefined);
  const [video, facts] = folder
    ? [await readFile(folder, VIDEO), await readFile(folder, FACTS)]
    : [undefined, undefined];
  if (!video || !facts) {
    throw new EngineError(
      'storage/missing',
      'stored video — got none under this name, needs one that is kept — it may have been deleted',
      { have: id },
    );
  }
  const known = { ...parseFacts(await facts.text()), id };
  const { frameFile, type } = known;
  const rawFrames = frameFile === undefined ? undefined : await openFrameFile(frameFile);
  return { facts: known, video: new Blob([video], { type }), rawFrames };
}

/** Removes one video; nothing happens where there is none. */
export async function remove(id: string): Promise<void> {
  const results = await folderAt(FOLDER);
  await removeEntry(results, id);
  await dropOldFrames();
}

/** Removes the frames that belong to no result or to an old one. */
async function dropOldFrames(): Promise<void> {
  const results = await list();
  const named = results.flatMap(({ frameFile }) => (frameFile === undefined ? [] : [frameFile]));
  for (const name of named.slice(WITH_FRAMES)) await removeFrameFile(name);
  await keepFrameFiles(new Set(named.slice(0, WITH_FRAMES)));
}
