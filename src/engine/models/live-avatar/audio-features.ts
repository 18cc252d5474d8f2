/** From sound to the columns that the avatar's frames listen to: wav2vec2 on the whole clip, then another frame rate. */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { affine, add } from '../../graph/ops/elementwise.ts';
import type { Scope } from '../../nn/module.ts';
import type { Engine, Results, RunOptions } from '../../nn/run-once.ts';
import { runEach } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { Probe } from '../wan/context.ts';
import { featureExtractor, wav2vec2 } from './wav2vec2.ts';
import { framesOfSamples, samplesOfFrames } from './wav2vec2-config.ts';
import type { Wav2Vec2Config } from './wav2vec2-config.ts';
import { splitPositions } from './wav2vec2-weights.ts';

/** Samples a second that wav2vec2 was trained on, and its frames a second. */
export const SOUND_RATE = 16_000;
const FRAME_RATE = 50;

/** The rate that the reference passes through on its way from 50 frames a second to the video's 16. */
const MIDDLE_RATE = 30;
export const VIDEO_RATE = 16;

/** Frames that the feature extractor takes at a time: ten seconds. Its norms do not look along time, so this changes nothing. */
const CHUNK_FRAMES = 500;

/** Returns (x − mean) / √(variance + 1e-7) over the whole clip. */
export function normaliseSound(samples: Float32Array): Float32Array {
  const mean = samples.reduce((sum, x) => sum + x, 0) / samples.length;
  const variance = samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / samples.length;
  const scale = 1 / Math.sqrt(variance + 1e-7);
  return samples.map((x) => (x - mean) * scale);
}

/**
 * Resolves to what `build` keeps of the states that wav2vec2 makes of a normalised clip, each [T, width].
 * Throws `audio/short` for less than one frame of sound.
 */
export async function hearSound(
  engine: Engine,
  source: WeightSource & { has(name: string): boolean },
  config: Wav2Vec2Config,
  sound: Float32Array,
  build: (root: Scope, states: readonly Tensor[]) => void,
  options: RunOptions & { readonly probe?: (root: Scope) => Probe } = {},
): Promise<Results> {
  const frames = framesOfSamples(config, sound.length);
  if (frames < 1) {
    throw new EngineError(
      'audio/short',
      `sound — got ${sound.length} samples, needs ${samplesOfFrames(config, 1).samples} at ${SOUND_RATE} Hz — use a longer clip`,
      { have: sound.length, need: samplesOfFrames(config, 1).samples },
    );
  }
  const run = { ...(options.signal && { signal: options.signal }), stage: 'sound' };
  const weights = splitPositions(source, config.positions.groups);
  const starts = Array.from(
    { length: Math.ceil(frames / CHUNK_FRAMES) },
    (_, i) => i * CHUNK_FRAMES,
  );
  const chunks = await runEach(
    engine,
    weights,
    starts.map((start) => (root: Scope): void => {
      const count = Math.min(CHUNK_FRAMES, frames - start);
      const { samples, hop } = samplesOfFrames(config, count);
      const end = start + count < frames ? start * hop + samples : sound.length;
      const piece = sound.subarray(start * hop, end);
      const x = root.graph.constant('sound', piece, [1, 1, piece.length, 1]);
      root.graph.result('frames', featureExtractor(config)(root)(x, options.probe?.(root)));
    }),
    { ...run, onProgress: (done) => options.onProgress?.(done / 2) },
  );
  const channels = config.convs.at(-1)?.channels ?? 1;
  const features = joined(chunks.map(({ frames: values }) => values ?? new Float32Array()));
  const [results = {}] = await runEach(
    engine,
    weights,
    [
      (root) => {
        const x = root.graph.constant('frames', features, [frames, channels]);
        build(root, wav2vec2(config)(root)(x, options.probe?.(root)));
      },
    ],
    { ...run, onProgress: (done) => options.onProgress?.(0.5 + done / 2) },
  );
  return Object.assign({}, ...chunks, results) as Results;
}

/** Returns the weight of each state in the mix that the avatar hears, from the checkpoint's 25 numbers: SiLU, to sum one. */
export function mixOf(weights: ArrayLike<number>): number[] {
  const raw = Array.from(weights, (w) => w / (1 + Math.exp(-w)));
  const total = raw.reduce((a, b) => a + b, 0);
  return raw.map((w) => w / total);
}

/** Returns Σ mix[l] · states[l]. Throws `weights/config` when their counts differ. */
export function mixStates(states: readonly Tensor[], mix: readonly number[]): Tensor {
  const scaled = states.map((state, l) => affine(state, mix[l] ?? 0));
  const [first, ...rest] = scaled;
  if (!first || states.length !== mix.length) {
    throw new EngineError(
      'weights/config',
      `sound encoder — got ${states.length} states, needs ${mix.length} — use the encoder of the avatar model`,
      { have: states.length, need: mix.length },
    );
  }
  return rest.reduce((sum, state) => add(sum, state), first);
}

/** Returns rows [T, width] at 50 a second as rows at 30 a second: linear, first and last row in place. */
export function atMiddleRate(rows: Float32Array, width: number): Float32Array {
  const T = rows.length / width;
  const count = Math.floor((T / FRAME_RATE) * MIDDLE_RATE);
  const resampled = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const at = count > 1 ? (i * (T - 1)) / (count - 1) : 0;
    const low = Math.min(Math.floor(at), T - 1);
    const high = Math.min(low + 1, T - 1);
    for (let c = 0; c < width; c++) {
      const [a = 0, b = 0] = [rows[low * width + c], rows[high * width + c]];
      resampled[i * width + c] = a + (b - a) * (at - low);
    }
  }
  return resampled;
}

/** Returns the clips of `clipFrames` video frames that `rows` at 30 a second fill; the last may be filled in part. */
export const clipsOf = (rows: number, clipFrames: number): number =>
  Math.floor(rows / ((MIDDLE_RATE / VIDEO_RATE) * clipFrames)) + 1;

/**
 * Returns one row for each video frame of the clips that rows [T, width] at 30 a second fill: [clips · clipFrames, width],
 * the nearest row (halves to even), zeros beyond the end.
 */
export function atVideoRate(rows: Float32Array, width: number, clipFrames: number): Float32Array {
  const T = rows.length / width;
  const frames = clipsOf(T, clipFrames) * clipFrames;
  const columns = new Float32Array(frames * width);
  for (let i = 0; i < frames; i++) {
    const at = roundToEven((MIDDLE_RATE / VIDEO_RATE) * i);
    if (at < T) columns.set(rows.subarray(at * width, (at + 1) * width), i * width);
  }
  return columns;
}

function roundToEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
