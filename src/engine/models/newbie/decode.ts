/** From the clean latent to the picture: the decoder of the FLUX autoencoder over all of it, or tile by tile where that takes too much memory. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, readTensor, writeTensor } from '../../gpu/tensor.ts';
import type { Tensor } from '../../graph/graph.ts';
import { affine } from '../../graph/ops/elementwise.ts';
import type { Recording } from '../../graph/record.ts';
import type { Raster } from '../../image/resize.ts';
import { computeOnce, recordGraph } from '../../nn/kept.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { leaseWeights } from '../../nn/run-once.ts';
import { allFinite, checkFinite } from '../../sampling/attended.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { autoencoderDecoder } from '../autoencoder-kl/autoencoder.ts';
import type { AutoencoderConfig } from '../autoencoder-kl/config.ts';
import { pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { heldToUnit } from '../wan/placed-picture.ts';
import type { Tiling, Volume } from '../wan/vae-tiles.ts';
import { Mosaic, cut, needsTiles, scaleTiling, startsOf } from '../wan/vae-tiles.ts';
import type { LatentGrid } from './request.ts';

/** A picture that lies on the device as well as here; `destroy` frees it there. */
export type PaintedPicture = Raster & { readonly onDevice: DeviceTensor; destroy(): void };

export type DecodeOptions = RunOptions & {
  /**
   * Tiles in latent pixels; `auto`, as where nothing is said, only where the device cannot bind the decoder's largest
   * tensor. Tiles see neither one another's pixels nor their brightness, so they are mixed where they overlap.
   */
  readonly tiling?: Tiling | 'auto' | 'never';
  /** Called when f16 was not enough and the picture is decoded again in f32. */
  readonly onDecodeInF32?: (() => void) | undefined;
};

/** Half of a picture of 1024 pixels, a quarter of it shared with the next tile. */
const TILES: Tiling = {
  rows: { tile: 64, stride: 48 },
  columns: { tile: 64, stride: 48 },
};

/** Resolves to the picture, RGB in 0 … 1. Throws `run/non-finite` when not even f32 can hold it. */
export async function decodePicture(
  engine: Engine,
  weights: WeightSource,
  config: AutoencoderConfig,
  { latent, grid: { h, w, C } }: { readonly latent: Float32Array; readonly grid: LatentGrid },
  { tiling = 'auto', onDecodeInF32, ...options }: DecodeOptions = {},
): Promise<PaintedPicture> {
  const side = pixelsPerLatent(config);
  const whole: Volume = { values: latent, shape: [1, h, w, C] };
  const tiles = tiling === 'auto' ? tilesNeeded(engine, config, h * w) : tiling;
  const inTiles = tiles !== 'never' && needsTiles(h, w, tiles);
  const decode = (each: Engine): Promise<Decoded> =>
    inTiles
      ? decodeTiles(each, weights, config, whole, tiles, options)
      : decodeWhole(each, weights, config, whole, options);
  let { onDevice, raw } = await decode(engine);
  if (engine.precision === 'f16' && !allFinite(raw)) {
    onDevice.buffer.destroy();
    onDecodeInF32?.();
    ({ onDevice, raw } = await decode({ ...engine, precision: 'f32' }));
  }
  const { buffer } = onDevice;
  const destroy = (): void => buffer.destroy();
  if (!allFinite(raw)) destroy();
  checkFinite(raw, 'decode');
  const size = { width: w * side, height: h * side, channels: 3 };
  return { ...size, data: raw.map(held), onDevice, destroy };
}

const held = (value: number): number => Math.min(1, Math.max(0, value));

/** `raw` as it was decoded: what is held to 0 … 1 does not show that it was no number. */
type Decoded = { readonly onDevice: DeviceTensor; readonly raw: Float32Array };

/** Latent [1, h, w, C] as the transformer leaves it -> picture [1, H, W, 3], not held to 0 … 1. */
const shown =
  (config: AutoencoderConfig) =>
  (root: Parameters<ReturnType<typeof autoencoderDecoder>>[0], latent: Tensor): Tensor => {
    const z = affine(latent, 1 / config.scale, config.shift);
    return affine(autoencoderDecoder(config)(root)(z), 0.5, 0.5);
  };

async function decodeWhole(
  engine: Engine,
  weights: WeightSource,
  config: AutoencoderConfig,
  { values, shape }: Volume,
  options: RunOptions,
): Promise<Decoded> {
  const kept = await computeOnce(
    engine,
    weights,
    (root) => {
      const latent = root.graph.constant('latent', values, shape);
      const picture = shown(config)(root, latent);
      root.graph.result('raw', picture);
      root.graph.result('picture', heldToUnit(picture));
    },
    options,
  );
  const raw = await readTensor(engine.gpu.device, kept.get('raw'));
  kept.get('raw').buffer.destroy();
  return { onDevice: kept.get('picture'), raw };
}

async function decodeTiles(
  engine: Engine,
  source: WeightSource,
  config: AutoencoderConfig,
  whole: Volume,
  tiling: Tiling,
  options: RunOptions,
): Promise<Decoded> {
  const { device } = engine.gpu;
  const side = pixelsPerLatent(config);
  const [, h, w] = whole.shape;
  const shape = [1, h * side, w * side, 3] as const;
  const mosaic = new Mosaic(shape, scaleTiling(tiling, side), 1);
  const [rows, columns] = [startsOf(h, tiling.rows), startsOf(w, tiling.columns)];
  const weights = leaseWeights(engine, source);
  const decoder = new TileDecoder(engine, weights, config);
  let done = 0;
  try {
    for (const y of rows) {
      for (const x of columns) {
        const onProgress = (part: number): void =>
          options.onProgress?.((done + part) / (rows.length * columns.length));
        mosaic.add(await decoder.decode(cut(whole, y, x, tiling), { ...options, onProgress }));
        done++;
      }
    }
  } finally {
    decoder.destroy();
    weights.release();
  }
  const raw = mosaic.volume.values;
  const onDevice = createTensor(device, 'picture', shape);
  writeTensor(device, onDevice, raw.map(held));
  return { onDevice, raw };
}

/** Decodes tiles one by one; the recording of one size stays until another size comes. */
class TileDecoder {
  readonly #engine: Engine;
  readonly #weights: ReturnType<typeof leaseWeights>;
  readonly #config: AutoencoderConfig;
  #ready: { readonly input: DeviceTensor; readonly recording: Recording } | undefined;

  constructor(engine: Engine, weights: ReturnType<typeof leaseWeights>, config: AutoencoderConfig) {
    this.#engine = engine;
    this.#weights = weights;
    this.#config = config;
  }

  async decode({ values, shape }: Volume, options: RunOptions): Promise<Volume> {
    const { gpu, executor } = this.#engine;
    const { input, recording } = await this.#for(shape);
    writeTensor(gpu.device, input, values);
    await executor.replay(recording, options);
    const [, height = 1, width = 1] = recording.result('picture').shape;
    const picture = await readTensor(gpu.device, recording.result('picture'));
    return { values: picture, shape: [1, height, width, 3] };
  }

  destroy(): void {
    this.#ready?.recording.destroy();
    this.#ready?.input.buffer.destroy();
    this.#ready = undefined;
  }

  async #for(shape: Volume['shape']): Promise<{ input: DeviceTensor; recording: Recording }> {
    if (this.#ready?.input.shape.join() === shape.join()) return this.#ready;
    this.destroy();
    const input = createTensor(this.#engine.gpu.device, 'tile', shape);
    const { recording } = await recordGraph(this.#engine, this.#weights, (root) => {
      root.graph.result('picture', shown(this.#config)(root, root.graph.external(input)));
    });
    this.#ready = { input, recording };
    return this.#ready;
  }
}

/** The usual tiles where the largest tensor, the first one of whole size, is larger than the device binds. */
function tilesNeeded(
  { gpu }: Engine,
  config: AutoencoderConfig,
  latents: number,
): Tiling | 'never' {
  const { maxBindingBytes, maxBufferBytes } = gpu.caps;
  const [finest = 1, next = finest] = config.channels;
  const pixels = latents * pixelsPerLatent(config) ** 2;
  // The residual stream is kept in f32 at any precision; what is doubled in size goes through it.
  const bytes = pixels * Math.max(finest, next) * 4;
  return bytes > Math.min(maxBindingBytes, maxBufferBytes) ? TILES : 'never';
}
