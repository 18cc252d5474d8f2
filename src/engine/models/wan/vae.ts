/** The autoencoder of the Wan models, 2.1 and 2.2: video to latents and back, chunk by chunk, in tiles where it must. */
import { EngineError } from '../../gpu/errors.ts';
import type { Dtype } from '../../gpu/tensor.ts';
import { readTensor } from '../../gpu/tensor.ts';
import type { Recording } from '../../graph/record.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { WeightSet } from '../../weights/upload.ts';
import type { VaeConfig } from './vae-config.ts';
import { framesPerLatent, pixelsPerLatent } from './vae-config.ts';
import type { Direction } from './vae-stream.ts';
import { VaeStream } from './vae-stream.ts';
import type { Tiling, Volume } from './vae-tiles.ts';
import { Mosaic, needsTiles, scaleTiling, startsOf } from './vae-tiles.ts';
import type { SparseVideo } from './vae-video.ts';
import { broughtFrom, cutFrames, frameByFrame, framesBetween } from './vae-video.ts';

export type VaeOptions = {
  /** Tiles in pixels of the decoder's grid; `auto` only where the device cannot bind a whole frame's activations. */
  readonly tiling?: Tiling | 'auto' | 'never';
  /** Storage of residual sums at f16 precision; default f32, f16 halves the largest activations. */
  readonly residual?: Dtype;
  /** Latent frames that go through together after the first; more fill a device better and take more memory. */
  readonly latentsPerChunk?: number;
  /** Keeps intermediates readable, for tests. */
  readonly taps?: boolean;
};

export type VaeRunOptions = RunOptions & {
  /** Whether decoded values are held to −1..1, as they are where nothing is said. */
  readonly clamp?: boolean;
  /** Called after each chunk with the recording that made it. */
  readonly onChunk?: (recording: Recording, chunk: number) => Promise<void>;
};

/** Frames `first` and following of a video: [T, H, W, 3] in −1..1. */
export type FrameChunk = Volume & { readonly first: number };

/** The reference's tiles. */
export const DEFAULT_TILING: Tiling = {
  rows: { tile: 256, stride: 192 },
  columns: { tile: 256, stride: 192 },
};

/** The encoder takes this many frames at a time, at least. */
const CHUNK_FRAMES = 4;

/** An autoencoder on a device. Weights are loaded when a direction is first used and stay until `destroy`. */
export class WanVae {
  readonly config: VaeConfig;
  readonly #engine: Engine;
  readonly #weights: WeightSet;
  readonly #options: VaeOptions;
  readonly #streams = new Map<string, VaeStream>();

  constructor(engine: Engine, source: WeightSource, config: VaeConfig, options: VaeOptions = {}) {
    this.config = config;
    this.#engine = engine;
    this.#weights = new WeightSet(engine.gpu, source);
    this.#options = options;
  }

  /**
   * Resolves to the normalised latents [F, h, w, z] of a video [T, H, W, 3] in −1..1: the mode, never a sample. What
   * that takes beside the video and the latents does not grow with their length. Frames beyond 4n + 1 are dropped. Throws
   * `vae/size` when a side is not a multiple of the latent's pixels.
   */
  async encode(video: Volume | SparseVideo, options: VaeRunOptions = {}): Promise<Volume> {
    return this.#encode(video, options, (moments) => this.normalise(moments));
  }

  /** Resolves to means and log-variances [F, h, w, 2 z], not normalised; else like `encode`. */
  async encodeMoments(video: Volume | SparseVideo, options: VaeRunOptions = {}): Promise<Volume> {
    return this.#encode(video, options, (moments) => moments);
  }

  /** `finish` makes of moments what is wanted, pixel by pixel. */
  async #encode(
    video: Volume | SparseVideo,
    options: VaeRunOptions,
    finish: (moments: Volume) => Volume,
  ): Promise<Volume> {
    const pixels = pixelsPerLatent(this.config);
    const [, H, W] = video.shape;
    if (H % pixels !== 0 || W % pixels !== 0) {
      throw new EngineError(
        'vae/size',
        `video of ${W} × ${H} — needs multiples of ${pixels} — crop or pad it`,
        { stage: 'vae/encode', need: pixels },
      );
    }
    const patch = this.config.patch_size;
    const tiling = this.#tilingFor(H, W);
    // The reference tiles the patches of a 2.2 encoder, and the pixels of everything else.
    const sizes = tiling && scaleTiling(tiling, patch);
    const frames = frameByFrame(video);
    if (!sizes || !needsTiles(H, W, sizes)) return this.#encodeWhole(frames, options, finish);
    const F = latentFrames(this.config, video.shape[0]);
    const tiled = await this.#inTiles(await broughtFrom(this.#engine.gpu.device, frames), sizes, {
      shape: [F, H / pixels, W / pixels, 2 * this.config.z_dim],
      tiling: scaleTiling(sizes, 1 / pixels),
      grain: 1,
      options,
      run: (tile, each) => this.#encodeWhole(tile, each, (moments) => moments),
    });
    return finish(tiled);
  }

  /**
   * Yields the frames of normalised latents [F, h, w, z] in order, as they come: 1, then `framesPerLatent` for each
   * latent frame. In tiles, all frames come at the end. Values are clamped to −1..1
   * unless `clamp` is false.
   */
  async *decode(latents: Volume, options: VaeRunOptions = {}): AsyncGenerator<FrameChunk> {
    const { config } = this;
    const pixels = pixelsPerLatent(config);
    const [F, h, w] = latents.shape;
    const z = frameByFrame(scaled(latents, config.latents_std, config.latents_mean));
    const tiling = this.#tilingFor(h * pixels, w * pixels);
    if (!tiling || !needsTiles(h * pixels, w * pixels, tiling)) {
      yield* this.#decodeWhole(z, options);
      return;
    }
    const frames = 1 + (F - 1) * framesPerLatent(config);
    const video = await this.#inTiles(z, scaleTiling(tiling, 1 / pixels), {
      shape: [frames, h * pixels, w * pixels, 3],
      tiling,
      grain: config.patch_size,
      options,
      run: async (tile, each) =>
        joined(await collect(this.#decodeWhole(tile, { ...each, clamp: false }))),
    });
    yield { ...(options.clamp === false ? video : clamped(video)), first: 0 };
  }

  /**
   * Returns a decoder of one endless video: each call takes the next normalised latents and yields their frames, as if
   * all had come at once. What it remembers has a fixed size. Nothing is tiled, and another decoding on this model
   * ends the stream.
   */
  decodeStream(): (latents: Volume, options?: VaeRunOptions) => AsyncGenerator<FrameChunk> {
    let frames = 0;
    const decode = (z: SparseVideo, options: VaeRunOptions, first: number) =>
      this.#decodeWhole(z, options, first);
    const { latents_std, latents_mean } = this.config;
    return async function* (latents, options = {}) {
      const z = frameByFrame(scaled(latents, latents_std, latents_mean));
      for await (const chunk of decode(z, options, frames)) {
        frames += chunk.shape[0];
        yield chunk;
      }
    };
  }

  /** Resolves to all frames of normalised latents at once. */
  async decodeAll(latents: Volume, options: VaeRunOptions = {}): Promise<Volume> {
    return joined(await collect(this.decode(latents, options)));
  }

  /** Returns (μ − mean) / std of the means in moments. */
  normalise({ values, shape: [F, h, w, C] }: Volume): Volume {
    const { z_dim, latents_mean, latents_std } = this.config;
    const means = new Float32Array(F * h * w * z_dim);
    for (let i = 0; i < F * h * w; i++) {
      means.set(values.subarray(i * C, i * C + z_dim), i * z_dim);
    }
    const factors = latents_std.map((std) => 1 / std);
    const shifts = latents_mean.map((mean, c) => -mean * (factors[c] ?? 1));
    return scaled({ values: means, shape: [F, h, w, z_dim] }, factors, shifts);
  }

  destroy(): void {
    for (const stream of this.#streams.values()) stream.destroy();
    this.#streams.clear();
    this.#weights.destroy();
  }

  async #encodeWhole(
    video: SparseVideo,
    options: VaeRunOptions,
    finish: (moments: Volume) => Volume,
  ): Promise<Volume> {
    const [T, H, W] = video.shape;
    const pixels = pixelsPerLatent(this.config);
    const [h, w, C] = [H / pixels, W / pixels, 2 * this.config.z_dim];
    const chunk = chunkFrames(this.config);
    const used = 1 + Math.floor((T - 1) / chunk) * chunk;
    const bounds = boundsOf(used, chunk * (this.#options.latentsPerChunk ?? 1));
    const parts: Volume[] = [];
    for await (const values of this.#run('encode', video, bounds, options))
      parts.push(finish({ values, shape: [values.length / (h * w * C), h, w, C] }));
    return joined(parts);
  }

  /** `streamed`: how many frames of the stream came before; undefined for a video of its own. */
  async *#decodeWhole(
    z: SparseVideo,
    options: VaeRunOptions,
    streamed?: number,
  ): AsyncGenerator<FrameChunk> {
    const [F, h, w] = z.shape;
    const pixels = pixelsPerLatent(this.config);
    const [H, W] = [h * pixels, w * pixels];
    const step = this.#options.latentsPerChunk ?? 1;
    const bounds = streamed ? stepsTo(F, step) : boundsOf(F, step);
    const begin = streamed === undefined ? 'whole' : streamed > 0 ? 'next' : 'first';
    let first = streamed ?? 0;
    for await (const values of this.#run('decode', z, bounds, options, begin)) {
      const T = values.length / (H * W * 3);
      const chunk: Volume = { values, shape: [T, H, W, 3] };
      yield { ...(options.clamp === false ? chunk : clamped(chunk)), first };
      first += T;
    }
  }

  /**
   * Runs frames `bounds[i]` to `bounds[i + 1]` of a video one after another; yields what comes out of each. `begin`
   * tells whether they are a whole video, the first stretch of a stream, or a later one.
   */
  async *#run(
    direction: Direction,
    { shape: [, ...size], known }: SparseVideo,
    bounds: readonly number[],
    options: VaeRunOptions,
    begin: 'whole' | 'first' | 'next' = 'whole',
  ): AsyncGenerator<Float32Array> {
    const stream = this.#stream(direction, size);
    const chunks = bounds.length - 1;
    const begun = (i: number): Promise<Recording> => {
      const alone = chunks === 1 ? 'image' : 'first';
      const part = i > 0 ? 'next' : begin === 'whole' ? alone : begin;
      const [from = 0, to = 0] = [bounds[i], bounds[i + 1]];
      const onProgress = (done: number): void => options.onProgress?.((i + done) / chunks);
      const some = framesBetween(known, from, to);
      const run = stream.run(part, to - from, some, { ...options, onProgress });
      run.catch(() => undefined); // told when it is awaited
      return run;
    };
    let running = chunks > 0 ? begun(0) : undefined;
    try {
      for (let i = 0; running; i++) {
        const recording = await running;
        await options.onChunk?.(recording, i);
        // Its copy is queued before the next chunk, which the device makes while this one is looked at.
        const made = readTensor(this.#engine.gpu.device, recording.result('y'));
        running = i + 1 < chunks ? begun(i + 1) : undefined;
        yield await made;
      }
    } finally {
      await running?.catch(() => undefined); // nothing may be freed under it
    }
  }

  #stream(direction: Direction, size: readonly [number, number, number]): VaeStream {
    const key = `${direction}/${size.join('x')}`;
    const { residual = 'f32', taps = false } = this.#options;
    const plan = { config: this.config, direction, size, residual, taps };
    const stream = this.#streams.get(key) ?? new VaeStream(this.#engine, this.#weights, plan);
    this.#streams.set(key, stream);
    return stream;
  }

  async #inTiles(
    whole: SparseVideo,
    sizes: Tiling,
    plan: {
      /** Shape of the result and tiling in its units. */
      readonly shape: Volume['shape'];
      readonly tiling: Tiling;
      readonly grain: number;
      readonly options: VaeRunOptions;
      run(tile: SparseVideo, options: VaeRunOptions): Promise<Volume>;
    },
  ): Promise<Volume> {
    const [, H, W] = whole.shape;
    const mosaic = new Mosaic(plan.shape, plan.tiling, plan.grain);
    const [rows, columns] = [startsOf(H, sizes.rows), startsOf(W, sizes.columns)];
    let done = 0;
    for (const y of rows) {
      for (const x of columns) {
        const onProgress = (part: number): void =>
          plan.options.onProgress?.((done + part) / (rows.length * columns.length));
        mosaic.add(await plan.run(cutFrames(whole, y, x, sizes), { ...plan.options, onProgress }));
        done++;
      }
    }
    return mosaic.volume;
  }

  /** The tiling to use for a video of this size; undefined for none. */
  #tilingFor(H: number, W: number): Tiling | undefined {
    const { tiling = 'auto', latentsPerChunk = 1 } = this.#options;
    if (tiling === 'never') return undefined;
    if (tiling !== 'auto') return tiling;
    const { base_dim, decoder_base_dim, dim_mult, is_residual, patch_size } = this.config;
    const widest = is_residual ? decoder_base_dim * (dim_mult[1] ?? 1) : decoder_base_dim;
    const channels = Math.max(base_dim, widest);
    const frames = chunkFrames(this.config) * latentsPerChunk;
    const bytes = this.#engine.precision === 'f16' && this.#options.residual === 'f16' ? 2 : 4;
    const largest = (frames * H * W * channels * bytes) / patch_size ** 2;
    const { maxBindingBytes, maxBufferBytes } = this.#engine.gpu.caps;
    return largest > Math.min(maxBindingBytes, maxBufferBytes) ? DEFAULT_TILING : undefined;
  }
}

/** Frames that the encoder takes together after the first. */
const chunkFrames = (config: VaeConfig): number => Math.max(CHUNK_FRAMES, framesPerLatent(config));

/** Latent frames of a video of T frames. */
function latentFrames(config: VaeConfig, T: number): number {
  const chunk = chunkFrames(config);
  return 1 + (Math.floor((T - 1) / chunk) * chunk) / framesPerLatent(config);
}

/** 0, 1, 1 + step, … up to `length`. */
const boundsOf = (length: number, step: number): number[] => [
  0,
  ...stepsTo(length - 1, step).map((at) => at + 1),
];

/** 0, step, 2 · step, … up to `length`. */
function stepsTo(length: number, step: number): number[] {
  const steps: number[] = [];
  for (let at = 0; at < length; at += step) steps.push(at);
  return [...steps, length];
}

/** Returns values · factors[c] + shifts[c]. */
function scaled(
  { values, shape }: Volume,
  factors: readonly number[],
  shifts: readonly number[],
): Volume {
  const C = shape[3];
  return {
    values: values.map((v, i) => v * (factors[i % C] ?? 1) + (shifts[i % C] ?? 0)),
    shape,
  };
}

/** Holds the values to −1..1, in place; not numbers stay what they are. */
function clamped(volume: Volume): Volume {
  const { values } = volume;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value > 1) values[i] = 1;
    else if (value < -1) values[i] = -1;
  }
  return volume;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Volumes one after another in time. */
function joined(parts: readonly Volume[]): Volume {
  const [, H = 0, W = 0, C = 0] = parts[0]?.shape ?? [];
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  return { values, shape: [values.length / (H * W * C), H, W, C] };
}
