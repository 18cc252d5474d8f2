/** The browser's side of `npm run quality`: videos decoded and compared, the built-in model at every storage of weights. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { decodeFrames } from '../../src/engine/video/decoder.ts';
import { mp4VideoTrack } from '../../src/engine/video/mp4-samples.ts';
import { openWeights } from '../../src/engine/weights/gguf.ts';
import { urlSource } from '../../src/engine/weights/remote-file.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import type { Distance } from './lpips.ts';
import { openLpips } from './lpips.ts';
import type { Likeness } from './metrics.ts';
import { Comparison } from './metrics.ts';
import type { MotionWishes, Storage, StorageRow } from './motion.ts';
import { MotionTrial } from './motion.ts';

/** How LPIPS is to be taken: the addresses of its weights, and of how many frames one is looked at. */
export type LpipsChoice = { readonly weights: readonly string[]; readonly every: number };

export type Adapter = Gpu['info'];

export type Quality = {
  /** Opens the device; undefined where there is no WebGPU. */
  open(): Promise<Adapter | undefined>;
  /** Resolves to how alike two MP4 files are. Rejects when their sizes differ; the shorter one's frames count. */
  compare(a: string, b: string, lpips: LpipsChoice): Promise<Likeness>;
  /** Takes what all runs of the built-in model share. */
  prepare(picture: string, model: string, wishes: MotionWishes, lpips: LpipsChoice): Promise<void>;
  /** Runs it with its weights stored so; the first run is to be f32, which the others are compared with. */
  run(storage: Storage, lpips: LpipsChoice): Promise<StorageRow>;
};

declare global {
  var quality: Quality;
}

let opened: Promise<Gpu> | undefined;
const device = (): Promise<Gpu> => (opened ??= openDevice({ gpu: navigator.gpu }));

async function open(): Promise<Adapter | undefined> {
  return device().then(
    ({ info }) => info,
    () => undefined,
  );
}

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

let trial: MotionTrial | undefined;
let distance: Distance | undefined;

async function prepare(
  picture: string,
  model: string,
  wishes: MotionWishes,
  lpips: LpipsChoice,
): Promise<void> {
  const gpu = await device();
  const config: unknown = JSON.parse(
    new TextDecoder().decode(await bytesAt(`${model}config.json`)),
  );
  const weights = await urlSource(`${model}model.safetensors`);
  const raster = await rasterOf(picture, wishes.longSide);
  trial = new MotionTrial(gpu, { config, weights }, raster, wishes);
  distance = await distanceOf(lpips);
}

async function run(storage: Storage, { every }: LpipsChoice): Promise<StorageRow> {
  if (!trial) throw new Error('prepare the trial first');
  return trial.run(storage, every, distance);
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

globalThis.quality = { open, compare, prepare, run };
