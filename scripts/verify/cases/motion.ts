/** The built-in model: camera, encoder, denoising, field and frames, from stored noise and pictures. */
import { readTensor } from '../../../src/engine/gpu/tensor.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { fuse } from '../../../src/engine/graph/passes/fuse.ts';
import type { Recording } from '../../../src/engine/graph/record.ts';
import { record } from '../../../src/engine/graph/record.ts';
import type { CameraPose } from '../../../src/engine/models/motion/camera.ts';
import { STILL, cameraField, ease, scalePose } from '../../../src/engine/models/motion/camera.ts';
import type { GridSize, MotionConfig } from '../../../src/engine/models/motion/config.ts';
import { readConfig } from '../../../src/engine/models/motion/config.ts';
import {
  ConditionState,
  encodeGraph,
  motionSampler,
  stepGraph,
} from '../../../src/engine/models/motion/denoise.ts';
import {
  colouredNoise,
  composeField,
  conditionChannels,
  controlTokens,
  frameTable,
} from '../../../src/engine/models/motion/field.ts';
import { FrameState, frameGraph, readFrame } from '../../../src/engine/models/motion/render.ts';
import { SamplerState } from '../../../src/engine/sampling/state.ts';
import { WeightSet } from '../../../src/engine/weights/upload.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

type Story = CaseContext & {
  readonly motion: MotionConfig;
  readonly grid: GridSize;
  readonly controls: Readonly<Record<string, unknown>>;
  readonly weights: WeightSet;
  readonly outputs: Output[];
};

export const motion: Checker = {
  matches: ({ model }, io) => model === 'zoetrope-motion' && io.includes('in.normals'),
  async run(context) {
    const config = readConfig(context.config);
    const [, , rows = 8, columns = 8] = (await context.io.read('in.working_picture')).shape;
    const weights = new WeightSet(context.gpu, await context.open('model'));
    const story: Story = {
      ...context,
      motion: config,
      grid: [rows / 8, columns / 8],
      controls: context.config['controls'] as Readonly<Record<string, unknown>>,
      weights,
      outputs: [],
    };
    try {
      const field = await checkField(story);
      await checkFrames(story, field);
    } finally {
      weights.destroy();
    }
    return story.outputs;
  },
};

/** From noise to displacements; returns the field [keys + 1, h, w, 4]. */
async function checkField(story: Story): Promise<Float32Array> {
  const { motion: config, grid, controls, gpu, executor, precision, quantise, outputs } = story;
  const keys = config.keys;
  const shape = [keys, ...grid] as const;
  const strength = Number(controls['strength']);
  const [sway = 0, water = 0, clouds = 0] = controls['ambient'] as readonly number[];
  const camera = cameraOf(story, false);
  const working = await planes(story, 'in.working_picture');
  const condition = new ConditionState(
    gpu.device,
    working,
    { values: conditionChannels(config, camera, true), shape },
    controlTokens({
      strength,
      ambient: { sway, water, clouds },
      seconds: Number(controls['seconds']),
      loop: false,
      given: true,
    }),
  );
  const state = new SamplerState(gpu.device, motionSampler(config), [...shape, 3]);
  const noise = colouredNoise(config, grid, (await story.io.read('in.normals')).values);
  state.start(noise);
  const stored = { precision, quantise };
  const encoder = await prepare(story, encodeGraph(config, condition, stored));
  await executor.replay(encoder);
  const step = await prepare(story, stepGraph(config, condition, encoder, state, stored));
  keep(story, 'mid.noise', noise, 3, 'network');
  keep(story, 'mid.camera', camera, 2, 'network');
  const features = await readTensor(gpu.device, encoder.result('features'));
  keep(story, 'mid.features', features.subarray(0, features.length / keys), 32, 'network');
  for (let index = 0; index < state.sampler.steps.length; index++) {
    await executor.replay(step);
    const velocity = await readTensor(gpu.device, step.result('velocity'));
    keep(story, `mid.step${index}.velocity`, velocity, 3, 'network');
  }
  const x = await readTensor(gpu.device, state.x);
  const residual = { x, strength };
  const field = composeField(config, grid, camera, residual, false);
  const looped = composeField(config, grid, cameraOf(story, true), residual, true);
  outputs.push(
    { name: 'out.x', values: channelsFirst(x, 3), measure: 'latents' },
    { name: 'out.field', values: channelsFirst(lanesOf(field, grid), 3), measure: 'latents' },
    { name: 'out.field_loop', values: channelsFirst(lanesOf(looped, grid), 3), measure: 'latents' },
  );
  step.destroy();
  encoder.destroy();
  state.destroy();
  condition.destroy();
  return field;
}

async function checkFrames(story: Story, field: Float32Array): Promise<void> {
  const { motion: config, grid, gpu, executor, precision, outputs } = story;
  const picture = await planes(story, 'in.picture');
  const size = { height: picture.height, width: picture.width };
  const { values: moments } = await story.io.read('in.tau');
  const keys = { values: field, shape: [config.keys + 1, ...grid] } as const;
  const state = new FrameState(
    gpu,
    picture,
    size,
    keys,
    frameTable(config.keys, [...moments], false),
  );
  const recording = await prepare(story, frameGraph(config, state, precision));
  state.start();
  for (const index of moments.keys()) {
    await executor.replay(recording);
    const bytes = await readFrame(gpu, recording.result('frame'), size);
    const colours = Float32Array.from(
      bytes.filter((_, i) => i % 4 < 3),
      (byte) => byte / 255,
    );
    outputs.push({
      name: `out.frame${index}`,
      values: channelsFirst(colours, 3),
      measure: 'pixels',
    });
    for (const [name, result, channels] of [
      ['inputs', 'warped', 8],
      ['change', 'delta', 3],
    ] as const) {
      if (index === 0) continue;
      const blocks = await readTensor(gpu.device, recording.result(result));
      const values = fromBlocks(blocks, channels, size);
      keep(story, `mid.frame${index}.${name}`, values, channels, 'latents');
    }
  }
  recording.destroy();
  state.destroy();
}

async function prepare({ gpu, pipelines, weights }: Story, graph: Graph): Promise<Recording> {
  fuse(graph);
  await weights.load(graph);
  return record(graph, { gpu, pipelines, weights: (key) => weights.get(key) });
}

/** Adds an intermediate, when those are wanted; with `channels` it is turned to channels first. */
function keep(
  { blocks, outputs }: Story,
  name: string,
  values: Float32Array,
  channels: number,
  measure: Output['measure'],
): void {
  if (!blocks) return;
  outputs.push({ name, values: channelsFirst(values, channels), measure });
}

/** The path of the case at the key times [keys, h, w, 2]. */
function cameraOf({ config, motion: { keys }, grid }: Story, loop: boolean): Float32Array {
  const path = config['camera'] as Readonly<Record<string, number>>;
  const end: CameraPose = {
    ...STILL,
    panX: path['pan_x'] ?? 0,
    panY: path['pan_y'] ?? 0,
    zoom: path['zoom'] ?? 0,
    roll: path['roll'] ?? 0,
    yaw: path['yaw'] ?? 0,
    pitch: path['pitch'] ?? 0,
  };
  const poseOf = (u: number): CameraPose => scalePose(end, ease(u, loop));
  return cameraField(poseOf, keys, grid, grid[0] / grid[1], end.zoom >= 0);
}

/** A stored picture [1, 3, H, W] as interleaved colours. */
async function planes({ io }: Story, name: string) {
  const { values, shape } = await io.read(name);
  const [, channels = 3, height = 1, width = 1] = shape;
  const area = height * width;
  const data = values.map((_, i) => values[(i % channels) * area + Math.floor(i / channels)] ?? 0);
  return { width, height, channels, data };
}

function channelsFirst(values: Float32Array, channels: number): Float32Array {
  const cells = values.length / channels;
  return values.map((_, i) => values[(i % cells) * channels + Math.floor(i / cells)] ?? 0);
}

/** Displacement and confidence of the generated keys. */
const lanesOf = (field: Float32Array, [h, w]: GridSize): Float32Array =>
  field.slice(h * w * 4).filter((_, i) => i % 4 < 3);

/** Blocks of 2 × 2 pixels [H', W', 4 channels] as an image [H, W, channels]. */
function fromBlocks(
  blocks: Float32Array,
  channels: number,
  { height, width }: { readonly height: number; readonly width: number },
): Float32Array {
  const columns = 2 * Math.ceil(width / 4);
  return Float32Array.from({ length: height * width * channels }, (_, i) => {
    const channel = i % channels;
    const pixel = Math.floor(i / channels);
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    const block = Math.floor(row / 2) * columns + Math.floor(column / 2);
    return blocks[(block * channels + channel) * 4 + 2 * (row % 2) + (column % 2)] ?? NaN;
  });
}
