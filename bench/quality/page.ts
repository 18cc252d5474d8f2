/** The browser's side of `npm run quality`: videos decoded and compared, the built-in model at every storage of weights. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { loadMotion } from '../../src/engine/models/motion/index.ts';
import { decodeFrames } from '../../src/engine/video/decoder.ts';
import { mp4VideoTrack } from '../../src/engine/video/mp4-samples.ts';
import { openWeights } from '../../src/engine/weights/gguf.ts';
import { urlSource } from '../../src/engine/weights/remote-file.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { openLpips } from './lpips.ts';
import type { Likeness, Pixels } from './metrics.ts';
import { Comparison } from './metrics.ts';
import { withRounded } from './rounded.ts';

/** How LPIPS is to be taken: the addresses of its weights, and of how many frames one is looked at. */
export type LpipsChoice = { readonly weights: readonly string[]; readonly every: number };

/** How weights are stored. */
export type Storage = 'f32' | 'f16' | 'int8' | 'int4';

export type MotionWishes = {
  readonly longSide: number;
  readonly frames: number;
  readonly steps: number;
};

export type Quality = {
  /** Resolves to how alike two MP4 files are. Rejects when their sizes differ; the shorter one's frames count. */
  compare(a: string, b: string, lpips: LpipsChoice): Promise<Likeness>;
  /** Resolves to how alike the built-in model's frames are to those in f32, by the storage of its weights. */
  motion(
    picture: string,
    model: string,
    wishes: MotionWishes,
    lpips: LpipsChoice,
  ): Promise<readonly (Likeness & { readonly storage: Storage })[]>;
};

declare global {
  var quality: Quality;
}

type Distance = (a: Pixels, b: Pixels) => number;

async function distanceOf({ weights }: LpipsChoice): Promise<Distance | undefined> {
  if (weights.length === 0) return undefined;
  const files = await Promise.all(weights.map(async (url) => openWeights(await urlSource(url))));
  const store = new WeightStore(files);
  return openLpips(async (name) =>
    store.has(name) ? { shape: store.info(name).shape, values: await store.read(name) } : undefined,
  );
}

async function bytesAt(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function compare(a: string, b: string, lpips: LpipsChoice): Promise<Likeness> {
  const files = await Promise.all([a, b].map(bytesAt));
  const [first = new Uint8Array(), second = new Uint8Array()] = files;
  const [sizeA, sizeB] = [mp4VideoTrack(first), mp4VideoTrack(second)];
  const distance = await distanceOf(lpips);
  const comparison = new Comparison();
  const others = decodeFrames(second);
  let index = 0;
  for await (const frame of decodeFrames(first)) {
    const other = await others.next();
    if (other.done === true) break;
    const pixels = { width: sizeA.width, height: sizeA.height, channels: 4, data: frame };
    const beside = { width: sizeB.width, height: sizeB.height, channels: 4, data: other.value };
    const look = index++ % lpips.every === 0;
    comparison.add(pixels, beside, look ? distance?.(pixels, beside) : undefined);
  }
  await others.return();
  return comparison.likeness;
}

/** Matrices that the usual policy stores as integers: all but those at the network's ends. */
const MATRICES = /^transformer\.blocks\..*\.weight$/;

async function motion(
  picture: string,
  model: string,
  { longSide, frames, steps }: MotionWishes,
  lpips: LpipsChoice,
): Promise<(Likeness & { storage: Storage })[]> {
  const gpu = await openDevice({ gpu: navigator.gpu });
  const engine = { gpu, pipelines: new PipelineCache(gpu.device), executor: new Executor(gpu) };
  const raster = await rasterOf(picture, longSide);
  const config: unknown = JSON.parse(
    new TextDecoder().decode(await bytesAt(`${model}config.json`)),
  );
  const file = await urlSource(`${model}model.safetensors`);
  const run = async (storage: Storage): Promise<Pixels[]> => {
    const type = storage === 'int8' ? 'i8' : storage === 'int4' ? 'i4' : undefined;
    const weights = type ? await withRounded(file, MATRICES, type) : file;
    const precision = storage === 'f32' ? 'f32' : 'f16';
    const loaded = await loadMotion(engine, { config, weights }, { precision });
    const all: Pixels[] = [];
    const asked = { frames, steps, seed: 1, motion: 0.6, longSide };
    for await (const { width, height, data } of loaded.animate(raster, asked))
      all.push({ width, height, channels: 4, data: data.slice() });
    loaded.destroy();
    return all;
  };
  const distance = await distanceOf(lpips);
  const reference = await run('f32');
  const rows: (Likeness & { storage: Storage })[] = [];
  for (const storage of ['f16', 'int8', 'int4'] as const) {
    const comparison = new Comparison();
    (await run(storage)).forEach((frame, i) => {
      const other = reference[i];
      const look = i % lpips.every === 0;
      if (other) comparison.add(other, frame, look ? distance?.(other, frame) : undefined);
    });
    rows.push({ ...comparison.likeness, storage });
  }
  return rows;
}

/** The picture at the size of the video, its sides multiples of eight. */
async function rasterOf(url: string, longSide: number) {
  const bitmap = await createImageBitmap(
    new Blob([(await bytesAt(url)) as Uint8Array<ArrayBuffer>]),
  );
  const scale = longSide / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width, bitmap.height].map(
    (side) => 8 * Math.round((side * scale) / 8),
  ) as [number, number];
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error('the browser draws no pictures');
  context.drawImage(bitmap, 0, 0, width, height);
  return { width, height, channels: 4, data: context.getImageData(0, 0, width, height).data };
}

globalThis.quality = { compare, motion };
