/** The built-in model with its weights stored in fewer bits, compared with itself in f32. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { WeightPolicy } from '../../src/engine/graph/graph.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { Raster } from '../../src/engine/image/resize.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { MotionEngine, MotionReport } from '../../src/engine/models/motion/index.ts';
import { loadMotion } from '../../src/engine/models/motion/index.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import type { WeightsChoice } from '../../src/engine/weights/policy.ts';
import { policyFor, policyWhere } from '../../src/engine/weights/policy.ts';
import type { Distance } from './lpips.ts';
import type { Likeness, Pixels } from './metrics.ts';
import { Comparison } from './metrics.ts';

/** How weights are stored. */
export type Storage = 'f32' | 'f16' | WeightsChoice;

export type MotionWishes = {
  readonly longSide: number;
  readonly frames: number;
  readonly steps: number;
};

export type StorageRow = {
  readonly storage: Storage;
  readonly elapsedMs: MotionReport['elapsedMs'];
  readonly compareMs: number;
  /** How alike the frames are to those in f32; absent for those themselves. */
  readonly likeness?: Likeness;
};

/** The matrices of the blocks: all but those at the network's ends. */
const MATRICES = /^transformer\.blocks\./;

/** Runs one request at one storage after the other, f32 first. */
export class MotionTrial {
  readonly #engine: MotionEngine;
  readonly #config: unknown;
  readonly #weights: ByteSource;
  readonly #picture: Raster<Uint8ClampedArray>;
  readonly #wishes: MotionWishes;
  #reference: readonly Pixels[] = [];

  constructor(
    gpu: Gpu,
    model: { readonly config: unknown; readonly weights: ByteSource },
    picture: Raster<Uint8ClampedArray>,
    wishes: MotionWishes,
  ) {
    this.#engine = { gpu, pipelines: new PipelineCache(gpu.device), executor: new Executor(gpu) };
    this.#config = model.config;
    this.#weights = model.weights;
    this.#picture = picture;
    this.#wishes = wishes;
  }

  /** Resolves to a row of the table; `distance` looks at every `every`th frame. Tells each step on the console. */
  async run(storage: Storage, every: number, distance?: Distance): Promise<StorageRow> {
    const { frames, elapsedMs } = await this.#animate(storage);
    if (storage === 'f32') {
      this.#reference = frames;
      return { storage, elapsedMs, compareMs: 0 };
    }
    const begun = performance.now();
    const comparison = new Comparison();
    for (const [i, frame] of frames.entries()) {
      const other = this.#reference[i];
      if (!other) throw new RangeError(`frame ${i} — none in f32 — run f32 first`);
      comparison.add(other, frame, i % every === 0 ? distance?.(other, frame) : undefined);
    }
    const compareMs = performance.now() - begun;
    return { storage, elapsedMs, compareMs, likeness: comparison.likeness };
  }

  async #animate(storage: Storage) {
    const precision = storage === 'f32' ? 'f32' : 'f16';
    const files = { config: this.#config, weights: this.#weights };
    const model = await loadMotion(this.#engine, files, { precision, quantise: policyOf(storage) });
    const frames: Pixels[] = [];
    try {
      const asked = { ...this.#wishes, seed: 1, motion: 0.6 };
      const run = model.animate(this.#picture, asked, {
        onProgress: ({ stage, done, total }) => {
          if (stage === 'denoise' && Number.isInteger(done))
            console.info(`${storage}: step ${done} of ${total}`);
        },
      });
      for (;;) {
        const { done, value } = await run.next();
        if (done === true) return { frames, elapsedMs: value.elapsedMs };
        const { width, height, data } = value;
        frames.push({ width, height, channels: 4, data: data.slice() });
      }
    } finally {
      model.destroy();
    }
  }
}

function policyOf(storage: Storage): WeightPolicy | undefined {
  const policy = storage === 'f32' || storage === 'f16' ? undefined : policyFor(storage);
  return policy && policyWhere(policy, MATRICES);
}
