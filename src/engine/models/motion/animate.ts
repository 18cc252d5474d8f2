/** A run of the built-in model: picture, features, field, frames. */
import { meterBuffers } from '../../gpu/memory.ts';
import type { Graph, Precision, WeightPolicy } from '../../graph/graph.ts';
import type { Recording } from '../../graph/record.ts';
import { coloursOf } from '../../image/colours.ts';
import type { Size } from '../../image/fit.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeBytes } from '../../image/resize.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Attended } from '../../sampling/attended.ts';
import { attendSteps } from '../../sampling/attended.ts';
import { samplingHooks } from '../../sampling/checkpoint.ts';
import { normal } from '../../sampling/rng.ts';
import { SamplerState } from '../../sampling/state.ts';
import type { WeightSet } from '../../weights/upload.ts';
import type { AnimateOptions, MotionEngine } from './api.ts';
import { cameraField, mayCover, poseAt } from './camera.ts';
import type { GridSize, MotionConfig } from './config.ts';
import { gridFor } from './config.ts';
import {
  colouredNoise,
  composeField,
  conditionChannels,
  controlTokens,
  frameTable,
  momentsOf,
  noiseCount,
  strengthFor,
} from './field.ts';
import { ConditionState, encodeGraph, motionSampler, stepGraph } from './denoise.ts';
import { previewOf, thumbnailOf } from './preview.ts';
import { FrameState, frameGraph, readFrame } from './render.ts';
import { RunMeter } from './report.ts';
import type { MotionFrame, MotionReport } from './report.ts';
import { completeSettings, outputSize } from './settings.ts';
import type { MotionSettings } from './settings.ts';

export type LoadedModel = {
  readonly engine: MotionEngine;
  readonly config: MotionConfig;
  readonly weights: WeightSet;
  readonly precision: Precision;
  readonly quantise?: WeightPolicy | undefined;
};

type Run = LoadedModel & {
  readonly settings: MotionSettings;
  readonly options: AnimateOptions;
  readonly meter: RunMeter;
  readonly size: Size;
  readonly grid: GridSize;
};

/** Stream of the seed that the field's noise is drawn from. */
const NOISE_STREAM = 0;

/** See `MotionModel.animate`. */
export async function* animate(
  model: LoadedModel,
  picture: Raster<Uint8ClampedArray>,
  given: Partial<MotionSettings>,
  options: AnimateOptions,
): AsyncGenerator<MotionFrame, MotionReport, void> {
  const settings = completeSettings(given);
  const size = outputSize(picture, settings.longSide);
  const meter = new RunMeter(model.engine.executor, meterBuffers(model.engine.gpu.device));
  const grid = gridFor(model.config, size);
  const run: Run = { ...model, settings, options, meter, size, grid };

  meter.enter('prepare', options);
  const shown = coloursOf(resizeBytes(picture, size, 'bicubic-antialiased'), 0);
  const camera = cameraPath(run);
  const strength = strengthFor(model.config, settings.motion);
  const sampled =
    strength > 0 ? await denoise(run, picture, { camera, strength, shown }) : undefined;
  const residual = sampled && { x: sampled.sample, strength };
  const values = composeField(model.config, grid, camera, residual, settings.loop);
  yield* render(run, shown, values);
  return meter.report({
    size,
    grid,
    steps: sampled?.stepsDone ?? 0,
    frames: settings.frames,
  });
}

/** Displacements of the requested path; none when the model is free to choose. */
function cameraPath({ config, settings, size, grid }: Run): Float32Array {
  const { camera, motion, loop, seed } = settings;
  if (camera === 'free') return new Float32Array(config.keys * grid[0] * grid[1] * 2);
  const poseOf = (u: number) => poseAt(camera, u, { motion, loop, seed });
  return cameraField(poseOf, config.keys, grid, size.height / size.width, mayCover(camera));
}

/** Where the camera goes, how strong all else moves, and the picture at the size of the video, 0 … 1. */
type Scene = {
  readonly camera: Float32Array;
  readonly strength: number;
  readonly shown: Raster;
};

/** Resolves to what the network makes of the picture [keys, h, w, 3]. */
async function denoise(
  run: Run,
  picture: Raster<Uint8ClampedArray>,
  { camera, strength, shown }: Scene,
): Promise<Attended> {
  const { config, engine, grid, meter, options, precision, quantise, settings } = run;
  const { device } = engine.gpu;
  const [h, w] = grid;
  const working = resizeBytes(picture, { width: 8 * w, height: 8 * h }, 'bilinear-antialiased');
  const isGiven = settings.camera !== 'free';
  const { ambient, frames, fps, loop } = settings;
  const seconds = (loop ? frames : frames - 1) / fps;
  const condition = new ConditionState(
    device,
    coloursOf(working, -1),
    { values: conditionChannels(config, camera, isGiven), shape: [config.keys, h, w] },
    controlTokens({ strength, ambient, seconds, loop, given: isGiven }),
  );
  const sampler = motionSampler(config, settings.steps);
  const state = new SamplerState(device, sampler, [config.keys, h, w, 3]);
  const recordings: Recording[] = [];
  try {
    const normals = normal(settings.seed, NOISE_STREAM, noiseCount(config, grid));
    state.start(colouredNoise(config, grid, normals));

    const stored = { precision, quantise };
    const encoder = await prepared(run, encodeGraph(config, condition, stored));
    recordings.push(encoder);
    const step = await prepared(run, stepGraph(config, condition, encoder, state, stored));
    recordings.push(step);

    meter.enter('encode', options);
    await engine.executor.replay(encoder, signalOf(options));
    meter.count(encoder);

    const total = sampler.steps.length;
    meter.enter('denoise', options, total);
    const { onPreview } = options;
    const small = onPreview && thumbnailOf(shown);
    const show = (x: Float32Array, done: number): void => {
      const field = composeField(config, grid, camera, { x, strength }, loop);
      if (small) onPreview?.({ ...previewOf(small, field, grid, loop), step: done, steps: total });
    };
    return await attendSteps(engine, total, () => step, state, {
      ...samplingHooks(options),
      ...signalOf(options),
      onProgress: ({ done }) => meter.advance(total * done, options),
      onStep: () => meter.count(step),
      onEstimate: onPreview && show,
    });
  } finally {
    for (const recording of recordings) recording.destroy();
    state.destroy();
    condition.destroy();
  }
}

/** Yields the frames of `picture` (values 0 … 1) moved along the field [keys + 1, h, w, 4]. */
async function* render(
  run: Run,
  picture: Raster,
  values: Float32Array,
): AsyncGenerator<MotionFrame, void, void> {
  const { config, engine, grid, meter, options, precision, settings, size } = run;
  const count = settings.frames;
  meter.enter('render', options, count);
  const keys = { values, shape: [config.keys + 1, ...grid] } as const;
  const table = frameTable(config.keys, momentsOf(count, settings.loop), settings.loop);
  const state = new FrameState(engine.gpu, picture, size, keys, table);
  let recording: Recording | undefined;
  try {
    recording = await prepared(run, frameGraph(config, state, precision));
    state.start();
    for (let index = 0; index < count; index++) {
      await engine.executor.replay(recording, signalOf(options));
      meter.count(recording);
      const data = await readFrame(engine.gpu, recording.result('frame'), size);
      meter.advance(index + 1, options);
      yield { index, count, ...size, data };
    }
  } finally {
    recording?.destroy();
    state.destroy();
  }
}

const prepared = ({ engine, weights, options }: Run, graph: Graph): Promise<Recording> =>
  prepare(graph, engine, weights, options.signal);

const signalOf = ({ signal }: AnimateOptions): { signal?: AbortSignal } =>
  signal ? { signal } : {};
