/** A whole DynamiCrafter clip with random weights, stage by stage, as the app makes it: prompt and picture to frames. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import type { Precision } from '../../src/engine/graph/graph.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { generateDynamiCrafter } from '../../src/engine/models/dynamicrafter/pipeline.ts';
import { TEXT_TOWER } from '../../src/engine/models/dynamicrafter/see.ts';
import { VARIANTS } from '../../src/engine/models/dynamicrafter/variants.ts';
import type { ClipProgress, ClipStage } from '../../src/engine/models/unet3d/clip-pipeline.ts';
import { clipPolicy } from '../../src/engine/models/unet3d/policy.ts';
import { residentEngine } from '../../src/engine/resident.ts';
import { normal } from '../../src/engine/sampling/rng.ts';
import { memoryStore } from '../../src/engine/tuning/store.ts';
import { usualPolicy } from '../../src/engine/weights/policy.ts';
import { dynamiCrafter } from './models.ts';

export type ClipRow = {
  readonly variant: '512' | '1024';
  readonly precision: Precision;
  readonly weights: 'as computed' | 'i8' | 'i4';
  /** Steps that are run and timed; a clip has `CLIP_STEPS`. */
  readonly steps: number;
  /** A model and a picture that a processor finishes. */
  readonly tiny: boolean;
};

export type ClipResult = {
  /** Milliseconds of each stage; `step` is one of them, `prepare` all of denoising beside the steps. */
  readonly stages: Readonly<Record<Exclude<ClipStage, 'denoise'> | 'prepare' | 'step', number>>;
  readonly steps: number;
  /** Of a clip of `CLIP_STEPS` steps: the stages and so many times a step. */
  readonly clipSeconds: number;
  /** Of the first clip, whose weights are made and whose shaders are compiled, over its single step. */
  readonly firstSeconds: number;
  readonly peakBytes: number;
  /** Bytes that stay on the device for the next clip. */
  readonly keptBytes: number;
};

/** What the released models are run with. */
export const CLIP_STEPS = 50;

const TINY_SIDE = 16;
const TINY_CLIP_TOKENS = 257;

/** Opens a device of its own on `entry`. A first clip of one step stands before the one that is timed. */
export async function measureClip(entry: GPU, row: ClipRow): Promise<ClipResult> {
  const { variant, precision, weights, steps, tiny } = row;
  const gpu = await openDevice({ gpu: entry });
  const complaints: string[] = [];
  gpu.device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  const meter = meterBuffers(gpu.device);
  const source = dynamiCrafter(gpu, new PipelineCache(gpu.device), variant, tiny);
  const { width, height } = tiny ? { width: TINY_SIDE, height: TINY_SIDE } : VARIANTS[variant];
  const type = weights === 'as computed' ? undefined : weights;
  const measures = {
    keepBytes: Infinity,
    ...(!gpu.info.software && { tuning: memoryStore() }),
  };
  const quantise = clipPolicy(type && usualPolicy(type));
  const rows = (count: number, of: number): Float32Array => normal(3, 0, count * of);
  const request = {
    prompt: Array.from({ length: TEXT_TOWER.positions }, (_, i) => 1000 + i),
    image: {
      ...{ width, height, channels: 3 },
      data: Float32Array.from({ length: 3 * width * height }, (_, i) => Math.sin(i / 977)),
    },
    ...(tiny && {
      seen: {
        text: rows(TEXT_TOWER.positions, TEXT_TOWER.width),
        emptyText: rows(TEXT_TOWER.positions, TEXT_TOWER.width),
        picture: rows(TINY_CLIP_TOKENS, 1280),
        emptyPicture: rows(TINY_CLIP_TOKENS, 1280),
      },
    }),
  };
  const make = async (count: number): Promise<StageClock> => {
    const clock = new StageClock();
    const engine = { ...(await residentEngine(gpu, measures)), precision, quantise };
    const clip = generateDynamiCrafter(
      engine,
      source,
      { ...request, steps: count },
      { onProgress: (event) => clock.mark(event) },
    );
    let [seen, sum] = [0, 0];
    for await (const { data } of clip) {
      seen++;
      sum += data.reduce((a, b) => a + b, 0);
    }
    if (seen === 0 || !Number.isFinite(sum)) throw new Error(`${seen} frames, sum ${sum}`);
    if (complaints[0] !== undefined) throw new Error(complaints[0]);
    return clock;
  };
  try {
    const firstSeconds = (await make(1)).seconds;
    meter.resetPeak();
    const stages = (await make(steps)).stages(steps);
    const { step, ...others } = stages;
    const once = Object.values(others).reduce((a, b) => a + b, 0);
    return {
      ...{ stages, steps, firstSeconds },
      clipSeconds: (once + CLIP_STEPS * step) / 1000,
      ...{ peakBytes: meter.peakBytes, keptBytes: meter.liveBytes },
    };
  } finally {
    gpu.destroy();
  }
}

/** Turns progress into times: a stage lasts from the end of the one before to its own last word. */
class StageClock {
  readonly #start = performance.now();
  readonly #ends = new Map<ClipStage, number>();
  readonly #stepEnds: number[] = [];

  mark({ stage, done, steps }: ClipProgress): void {
    const now = performance.now();
    this.#ends.set(stage, now);
    const whole = done * (steps ?? NaN);
    if (stage === 'denoise' && whole > 0 && Math.abs(whole - Math.round(whole)) < 1e-6)
      this.#stepEnds[Math.round(whole) - 1] = now;
  }

  get seconds(): number {
    return (Math.max(...this.#ends.values()) - this.#start) / 1000;
  }

  stages(steps: number): ClipResult['stages'] {
    let last = this.#start;
    const lengthOf = (stage: ClipStage): number => {
      const end = this.#ends.get(stage) ?? last;
      const length = end - last;
      last = end;
      return length;
    };
    const [text, picture, encode] = [lengthOf('text'), lengthOf('picture'), lengthOf('encode')];
    const denoise = lengthOf('denoise');
    const lengths = this.#stepEnds.slice(1).map((end, i) => end - (this.#stepEnds[i] ?? end));
    const step = lengths.toSorted((a, b) => a - b)[lengths.length >> 1] ?? denoise;
    const prepare = Math.max(0, denoise - steps * step);
    return { text, picture, encode, prepare, step, decode: lengthOf('decode') };
  }
}
