/** One row of the avatar's table: a picture speaks through the product's own pipeline, from sound to a file, with random weights. */
import { openDevice } from '../../src/engine/gpu/device.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import type { Span } from '../../src/engine/graph/profile.ts';
import { Profiler } from '../../src/engine/graph/profile.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { VIDEO_RATE } from '../../src/engine/models/live-avatar/audio-features.ts';
import type { AvatarFrame } from '../../src/engine/models/live-avatar/frames.ts';
import { speak } from '../../src/engine/models/live-avatar/pipeline.ts';
import { avatarPolicy } from '../../src/engine/models/live-avatar/policy.ts';
import type { AvatarStage } from '../../src/engine/models/live-avatar/run-options.ts';
import { BLOCK_FRAMES } from '../../src/engine/models/live-avatar/stream.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import type { Trace } from '../../src/engine/profile/trace.ts';
import { chromeTrace } from '../../src/engine/profile/trace.ts';
import { createMp4Writer } from '../../src/engine/video/mp4-writer.ts';
import { SOUND_TRACK_RATE } from '../../src/engine/video/sound-track.ts';
import { tunedPipelines } from '../tuned.ts';
import { randomAvatar } from './model.ts';

export type AvatarRow = {
  readonly size: readonly [width: number, height: number];
  readonly weights: 'int4' | 'int8' | 'f16';
  readonly kv: 'int8' | 'float';
  readonly steps: number;
  /** A model of few, narrow layers, to see that all runs. */
  readonly tiny: boolean;
};

export type AvatarResult = {
  /** Of the video: the area that was asked for, in multiples of 64. */
  readonly size: readonly [width: number, height: number];
  /** A block of twelve frames in the file, once the rings are full. */
  readonly secondsPerBlock: number;
  readonly framesPerSecond: number;
  /** Until the first frame: encoders, weights, shaders. */
  readonly startSeconds: number;
  /** What the stages before the first block took, weights and shaders included. */
  readonly before: Readonly<Record<string, number>>;
  /** While blocks are made, and in the whole run, encoders included. */
  readonly peakBytes: number;
  readonly wholePeakBytes: number;
  readonly videoCodec: string;
  readonly soundCodec: string | undefined;
  /**
   * What each stage takes in a block, in ms of the device, or of the host where it works there; measured in blocks that
   * do not count above. They overlap.
   */
  readonly stages: Readonly<Record<string, number>>;
  readonly trace: Trace;
};

/** Blocks that come before any that counts, that count, and that run with every dispatch timed. */
type Plan = {
  readonly clip: number;
  readonly first: number;
  readonly timed: number;
  readonly profiled: number;
};

/** The rings are full with the last block of a clip; the next one takes its past anew. */
const PLANS: Readonly<Record<'full' | 'tiny', Plan>> = {
  full: { clip: 4, first: 5, timed: 3, profiled: 2 },
  tiny: { clip: 1, first: 2, timed: 1, profiled: 1 },
};
const planOf = ({ tiny }: AvatarRow): Plan => PLANS[tiny ? 'tiny' : 'full'];
const TUNING_MS = 3000;

/** Resolves to what a run took. Opens a device of its own, which is gone afterwards. */
export async function measureAvatar(entry: GPU, row: AvatarRow): Promise<AvatarResult> {
  const gpu = await openDevice({ gpu: entry });
  const complaints: string[] = [];
  gpu.device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  try {
    const result = await run(gpu, row);
    if (complaints[0] !== undefined) throw new Error(complaints[0]);
    return result;
  } finally {
    gpu.destroy();
  }
}

async function run(gpu: Gpu, row: AvatarRow): Promise<AvatarResult> {
  const pipelines = gpu.info.software
    ? new PipelineCache(gpu.device)
    : (await tunedPipelines(gpu, TUNING_MS)).pipelines;
  const executor = new Executor(gpu);
  const engine: Engine = {
    ...{ gpu, pipelines, executor, precision: gpu.caps.f16 ? 'f16' : 'f32' },
    quantise: avatarPolicy(row.weights === 'f16' ? undefined : row.weights),
  };
  const plan = planOf(row);
  const memory = meterBuffers(gpu.device);
  let [wholePeakBytes, peakBytes] = [0, 0];
  const began = performance.now();
  const before = new Map<AvatarStage, number>();
  let last = began;
  const frames = speak(engine, randomAvatar(gpu, pipelines, row.tiny), requestOf(row), {
    onProgress: ({ stage, block = 0 }) => {
      const now = performance.now();
      if (block === 0) before.set(stage, (before.get(stage) ?? 0) + (now - last) / 1000);
      last = now;
    },
  });
  const first = await frames.next();
  if (first.done) throw new Error('no frame came');
  const { width, height } = first.value;
  const writer = await createMp4Writer({
    ...{ width, height, fps: VIDEO_RATE, sound: {} },
    marking: { tool: 'Zoetrope', settings: {} },
  });
  const startSeconds = (performance.now() - began) / 1000;
  const profiler = gpu.caps.timestamps ? new Profiler(gpu) : undefined;
  /** When the last frame of each block had gone into the file. */
  const ends: number[] = [];
  const silence = new Float32Array(SOUND_TRACK_RATE / VIDEO_RATE);
  let [varied, index] = [false, 0];
  for (
    let next: IteratorResult<AvatarFrame, void> = first;
    !next.done;
    next = await frames.next()
  ) {
    const { data } = next.value;
    varied ||= data.some((value, i) => i % 4 !== 3 && value !== data[i % 4]);
    const write = async (): Promise<void> => {
      await writer.addSound(silence);
      await writer.addFrame(data);
    };
    await (executor.profiler?.host('encode', 'frame', write) ?? write());
    if (++index % BLOCK_FRAMES > 0) continue;
    if (ends.push(performance.now()) === 1) {
      wholePeakBytes = memory.peakBytes;
      memory.resetPeak();
    }
    if (ends.length === plan.first + plan.timed) {
      peakBytes = memory.peakBytes;
      executor.profiler = profiler;
    }
    if (ends.length === plan.first + plan.timed + plan.profiled) executor.profiler = undefined;
  }
  if (!varied) throw new Error('the frames are of one colour');
  await writer.finish();
  const [from = NaN, to = NaN] = [ends[plan.first - 1], ends[plan.first + plan.timed - 1]];
  const secondsPerBlock = (to - from) / 1000 / plan.timed;
  const spans = profiler?.spans ?? [];
  return {
    ...{ size: [width, height], secondsPerBlock, startSeconds, peakBytes },
    framesPerSecond: BLOCK_FRAMES / secondsPerBlock,
    before: Object.fromEntries(before),
    wholePeakBytes: Math.max(wholePeakBytes, peakBytes),
    ...{ videoCodec: writer.codecString, soundCodec: writer.soundCodec },
    stages: timesOf(spans, plan.profiled),
    trace: chromeTrace(spans),
  };
}

function requestOf(row: AvatarRow) {
  const {
    size: [width, height],
    kv,
    steps,
  } = row;
  const { clip, first, timed, profiled } = planOf(row);
  const seconds = ((first + timed + profiled + 1) * BLOCK_FRAMES) / VIDEO_RATE;
  const rate = 16_000;
  const tone = (_: unknown, i: number): number => Math.sin(i / 9) * Math.sin(i / 3000);
  return {
    prompt: Array.from({ length: 80 }, (_, i) => 1 + (i % 90)),
    image: {
      ...{ width, height, channels: 3 },
      data: Float32Array.from({ length: width * height * 3 }, (_, i) => (i % 251) / 251),
    },
    sound: { sampleRate: rate, channels: [Float32Array.from({ length: seconds * rate }, tone)] },
    ...{ size: `${width}*${height}`, sample_steps: steps, kv_cache: kv },
    infer_frames: clip * BLOCK_FRAMES,
  };
}

function timesOf(spans: readonly Span[], blocks: number): Record<string, number> {
  const times: Record<string, number> = {};
  for (const { track, stage, beginMs, endMs } of spans)
    if (track !== 'encode') times[stage] = (times[stage] ?? 0) + (endMs - beginMs) / blocks;
  return times;
}
