/** The app's files, output and storage behind a few calls with plain data, for tests in a browser. */
import {
  createMp4Writer,
  decodeFrames,
  EngineError,
  resolveSettings,
} from '../../../src/engine/index.ts';
import framesWorker from './frames-worker.ts?worker&url';
import { trustedWorkerUrl } from '../../../src/app/trust/worker-url.ts';
import { decodeSound } from '../../../src/app/sound.ts';
import { diagnostics } from '../../../src/app/trust/diagnostics.ts';
import type { DiagnosticsFacts } from '../../../src/app/trust/diagnostics.ts';
import { decodePicture, intake } from '../../../src/app/files/picture.ts';
import { exportVideo } from '../../../src/app/output/export.ts';
import type { ExportFormat, ExportOptions } from '../../../src/app/output/formats.ts';
import { settingsOf } from '../../../src/app/output/read-settings.ts';
import { eraseAll } from '../../../src/app/storage/erase.ts';
import { folderAt } from '../../../src/app/storage/folders.ts';
import * as history from '../../../src/app/storage/history.ts';
import type { ResultFacts, StoredResult } from '../../../src/app/storage/history.ts';

const FPS = 24;
const settings = { prompt: '海浪 "slow"', seed: 7, motion: 0.5 };

const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function toBase64(blob: Blob): Promise<string> {
  let text = '';
  for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The bytes of a file, or of all files in a folder. */
async function bytesIn(entry: FileSystemDirectoryHandle | FileSystemFileHandle): Promise<number> {
  if (entry.kind === 'file') return (await entry.getFile()).size;
  let sum = 0;
  for await (const inner of entry.values()) sum += await bytesIn(inner);
  return sum;
}

/** What `work` gives, or the code of its failure. */
async function codeOr<T>(work: () => Promise<T>): Promise<T | { readonly code: string }> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EngineError) return { code: error.code };
    throw error;
  }
}

/** A soft pattern that moves; `flat` is one grey everywhere. */
function frameOf(width: number, height: number, index: number, flat?: number) {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const wave = (phase: number): number =>
        flat ?? 128 + 80 * Math.sin((x + 2 * index) / 9 + phase) * Math.cos(y / 11 + phase);
      rgba.set([wave(0), wave(1), wave(2), 255], 4 * (y * width + x));
    }
  }
  return rgba;
}

type Pattern = {
  width: number;
  height: number;
  frames: number;
  flat?: number;
  raw: boolean;
  sound?: boolean;
};

async function resultOf(pattern: Pattern): Promise<StoredResult> {
  const { width, height, frames, flat, raw, sound = false } = pattern;
  const marking = { tool: 'Zoetrope test', settings };
  const writer = await createMp4Writer({
    ...{ width, height, fps: FPS, marking },
    ...(sound && { sound: {} }),
  });
  const tone = Float32Array.from({ length: (48_000 * frames) / FPS }, (_, i) => Math.sin(i / 17));
  if (sound) await writer.addSound(tone);
  const all = Array.from({ length: frames }, (_, i) => frameOf(width, height, i, flat));
  for (const frame of all) await writer.addFrame(frame);
  const video = new Blob([await writer.finish()], { type: 'video/mp4' });
  const facts: ResultFacts = {
    ...{ id: 'test', createdAt: 0, model: 'motion', settings, type: 'video/mp4' },
    ...{ codec: writer.codecString, width, height, frames, fps: FPS, bytes: video.size },
    hasSound: sound,
  };
  return { facts, video, rawFrames: raw ? new Blob(all) : undefined };
}

const meanOf = (rgba: Uint8ClampedArray): number[] =>
  [0, 1, 2].map(
    (c) => rgba.reduce((sum, v, i) => (i % 4 === c ? sum + v : sum), 0) / (rgba.length / 4),
  );

function psnr(a: Uint8ClampedArray, b: Uint8ClampedArray): number {
  const squares = a.reduce(
    (sum, value, i) => (i % 4 === 3 ? sum : sum + (value - (b[i] ?? 0)) ** 2),
    0,
  );
  return 10 * Math.log10(255 ** 2 / (squares / ((a.length * 3) / 4)));
}

const media = {
  /** What is taken of a picture: size, warnings and its corners' colours, or the code of the refusal. */
  intake: (picture: string) =>
    codeOr(async () => {
      const { bitmap, ...facts } = await intake(new Blob([fromBase64(picture)]));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext('2d', { willReadFrequently: true });
      context?.drawImage(bitmap, 0, 0);
      const pixel = (x: number, y: number): number[] => [
        ...(context?.getImageData(x, y, 1, 1).data.subarray(0, 3) ?? []),
      ];
      const [right, bottom] = [bitmap.width - 1, bitmap.height - 1];
      const corners = [pixel(0, 0), pixel(right, 0), pixel(0, bottom), pixel(right, bottom)];
      return { ...facts, shown: [bitmap.width, bitmap.height], corners };
    }),
  /** The code of a refusal. */
  intakeBlob: (picture: Blob) => codeOr(async () => (await intake(picture)).format),
  /** Size and mean colour of a picture as the engine gets it. */
  decode: (
    picture: string,
    size: { width: number; height: number },
    focus: { x: number; y: number },
  ) =>
    codeOr(async () => {
      const file = new Blob([fromBase64(picture)]);
      const { data, width, height } = await decodePicture(
        file,
        resolveSettings({ size }),
        8,
        focus,
      );
      return { width, height, mean: meanOf(data) };
    }),
  /** A file of a pattern in a format, and what it tells of itself. */
  exported: (pattern: Pattern, format: ExportFormat, options: ExportOptions) =>
    codeOr(async () => {
      const shares: number[] = [];
      const onProgress = (done: number): unknown => shares.push(done);
      const file = await exportVideo(await resultOf(pattern), format, { ...options, onProgress });
      const { blob, ...facts } = file;
      const told = await codeOr(() => settingsOf(blob));
      return { ...facts, type: blob.type, told, shares, content: await toBase64(blob) };
    }),
  /** How loud the sound of a file is, and for how long. */
  heard: async (file: string) => {
    const { channels, sampleRate } = await decodeSound(new Blob([fromBase64(file)]));
    const samples = channels[0] ?? new Float32Array();
    const power = samples.reduce((sum, value) => sum + value ** 2, 0) / samples.length;
    return { seconds: samples.length / sampleRate, power };
  },
  /** The first decoded frame of an MP4 of a pattern against the one that went in, and the mean colour. */
  roundTrip: async (pattern: Pattern) => {
    const { video } = await resultOf(pattern);
    const { width, height, flat } = pattern;
    let frames = 0;
    let first: Uint8ClampedArray | undefined;
    for await (const frame of decodeFrames(new Uint8Array(await video.arrayBuffer()))) {
      first ??= frame;
      frames++;
    }
    const got = first ?? new Uint8ClampedArray();
    const worst =
      flat === undefined
        ? 0
        : got.reduce((most, v, i) => (i % 4 === 3 ? most : Math.max(most, Math.abs(v - flat))), 0);
    return { frames, worst, psnr: psnr(frameOf(width, height, 0, flat), got) };
  },
  /** Cancels an export; the name of what it rejects with. */
  cancelled: async (pattern: Pattern) => {
    const abort = new AbortController();
    const onProgress = (): void => abort.abort();
    return exportVideo(await resultOf(pattern), 'png', { signal: abort.signal, onProgress }).then(
      () => 'finished',
      (error: unknown) => (error as Error).name,
    );
  },
  settingsOf: (file: string) => codeOr(() => settingsOf(new Blob([fromBase64(file)]))),
  add: (pattern: Pattern) =>
    codeOr(async () => {
      const { facts, video } = await resultOf(pattern);
      return { id: await history.add({ ...facts, video, poster: new Blob(['poster']) }) };
    }),
  /** Adds a video whose frames a worker has kept; how many bytes of frames are found with each video, newest first. */
  addWithFrames: async (pattern: Pattern) => {
    const { facts, video, rawFrames } = await resultOf({ ...pattern, raw: true });
    const worker = new Worker(trustedWorkerUrl(framesWorker), { type: 'module' });
    const name = await new Promise<string | undefined>((resolve) => {
      worker.addEventListener('message', ({ data }) => resolve(data as string | undefined));
      void rawFrames?.arrayBuffer().then((all) => worker.postMessage([new Uint8ClampedArray(all)]));
    });
    worker.terminate();
    await history.add({ ...facts, video, ...(name !== undefined && { frameFile: name }) });
    const all = await history.list();
    const opened = await Promise.all(all.map(({ id }) => history.openResult(id)));
    return opened.map((result) => result.rawFrames?.size ?? 0);
  },
  list: async () => history.list(),
  openedBytes: (id: string) => codeOr(async () => (await history.open(id)).size),
  remove: (id: string) => history.remove(id),
  figures: async () => {
    const { quota = 0 } = await navigator.storage.estimate();
    const folders: [name: string, bytes: number][] = [];
    const root = await folderAt();
    for await (const [name, entry] of root.entries()) folders.push([name, await bytesIn(entry)]);
    return { quota, folders };
  },
  diagnostics: (facts: DiagnosticsFacts) => diagnostics(facts),
  eraseAll: () => codeOr(async () => eraseAll()),
};

export type Media = typeof media;

Object.assign(globalThis, { media });
