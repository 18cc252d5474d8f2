import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { MotionModel, MotionPreview } from '../../src/engine/models/motion/index.ts';
import { loadMotion } from '../../src/engine/models/motion/index.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanOptions } from '../../src/engine/models/wan/pipeline.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { Checkpoint, CheckpointSink } from '../../src/engine/sampling/checkpoint.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { firstFrameWan, randomModel, textWan, twoExpertWan } from '../helpers/wan-model.ts';

/** Keeps every checkpoint that is offered. */
function keepAll(): CheckpointSink & { readonly all: Checkpoint[] } {
  const all: Checkpoint[] = [];
  return { all, due: () => true, save: async (checkpoint) => void all.push(checkpoint) };
}

const file = (name: string) =>
  fileURLToPath(new URL(`../fixtures/motion/${name}`, import.meta.url));

async function motion(gpu: Gpu): Promise<MotionModel> {
  const golden = JSON.parse(await readFile(file('config.json'), 'utf8')) as object;
  const config: unknown = { ...golden, grids: [[6, 8]] }; // small
  const engine = { gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu) };
  const weights = await fileSource(file('model.safetensors'));
  return loadMotion(engine, { config, weights }, { precision: 'f32' });
}

const [WIDTH, HEIGHT] = [64, 48];
const picture = {
  ...{ width: WIDTH, height: HEIGHT, channels: 4 },
  data: Uint8ClampedArray.from({ length: WIDTH * HEIGHT * 4 }, (_, i) =>
    i % 4 === 3 ? 255 : 128 + 100 * Math.sin(0.05 * i),
  ),
};

/** Bytes of all frames, of a model by its name. */
type Run = (gpu: Gpu, steps: number, options: WanOptions) => Promise<readonly number[][]>;

const runMotion: Run = async (gpu, steps, options) => {
  const frames: number[][] = [];
  const { onPreview: _, onProgress: __, ...hooks } = options;
  const settings = { frames: 3, longSide: 64, seed: 5, steps } as const;
  const model = await motion(gpu);
  for await (const { data } of model.animate(picture, settings, hooks)) frames.push([...data]);
  model.destroy();
  return frames;
};

const image = { width: 32, height: 32, channels: 3, data: new Float32Array(32 * 32 * 3) };
image.data.forEach((_, i) => (image.data[i] = 0.5 + 0.4 * Math.sin(0.1 * i)));

const runWan =
  (settings: Parameters<typeof randomModel>[0], change: Partial<WanRequest> = {}): Run =>
  async (gpu, steps, options) => {
    const frames: number[][] = [];
    const engine = { gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu) };
    const request: WanRequest = {
      ...{ prompt: [7, 3, 1], width: 32, height: 32, frames: 5, steps, shift: 3, guidance: 2 },
      ...{ seed: 5, ...change },
    };
    const run = generate({ ...engine, precision: 'f32' }, randomModel(settings), request, options);
    for await (const { data } of run) frames.push([...data]);
    return frames;
  };

const MODELS: readonly (readonly [string, Run])[] = [
  ['the built-in model', runMotion],
  ['Wan from text, UniPC', runWan(textWan)],
  ['Wan with two experts, from a picture', runWan(twoExpertWan, { image, boundary: 0.8 })],
  ['Wan with a clean first frame', runWan(firstFrameWan, { image })],
];

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))('on $name', (open) => {
  it.each(MODELS)('%s goes on from any checkpoint, bit for bit', async (_, run) => {
    const gpu = await open.gpu();
    const sink = keepAll();
    const whole = await run(gpu, 4, { checkpoints: sink });
    expect(sink.all.map(({ step, steps }) => `${step}/${steps}`)).toEqual([
      ...['1/4', '2/4', '3/4', '4/4'],
    ]);
    for (const resume of [sink.all[0], sink.all[2], sink.all[3]]) {
      if (!resume) throw new Error('a checkpoint is missing');
      const later = keepAll();
      expect(await run(gpu, 4, { resume, checkpoints: later })).toEqual(whole);
      expect(later.all).toHaveLength(4 - resume.step); // nothing was done twice
    }
  });

  it.each(MODELS)('%s ends early with its estimate, and frees everything', async (_, run) => {
    const gpu = await open.gpu();
    const { liveBytes } = meterBuffers(gpu.device);
    const early = new AbortController();
    const sink: CheckpointSink = {
      due: () => true,
      save: async ({ step }) => {
        if (step === 2) early.abort();
      },
    };
    const whole = await run(gpu, 4, {});
    const frames = await run(gpu, 4, { finishEarly: early.signal, checkpoints: sink });
    expect(frames).toHaveLength(whole.length);
    expect(frames.flat().every(Number.isFinite)).toBe(true);
    expect(frames).not.toEqual(whole);
    expect(meterBuffers(gpu.device).liveBytes).toBe(liveBytes);
  });

  it('a checkpoint of another run is refused', async () => {
    const gpu = await open.gpu();
    const resume = {
      round: 0,
      step: 1,
      steps: 4,
      conditions: {},
      state: { x: new Float32Array(3) },
    };
    await expect(runMotion(gpu, 4, { resume })).rejects.toMatchObject({
      code: 'sampling/checkpoint',
    });
  });

  it('values that are no numbers end the run at their step, in words', async () => {
    const gpu = await open.gpu();
    const sink = keepAll();
    await runMotion(gpu, 4, { checkpoints: sink });
    const [, second] = sink.all;
    if (!second) throw new Error('a checkpoint is missing');
    const x = second.state['x']?.map(() => NaN) ?? new Float32Array();
    const resume = { ...second, state: { ...second.state, x } };
    await expect(runMotion(gpu, 4, { resume })).rejects.toMatchObject({
      ...{ code: 'run/non-finite', stage: 'denoise' },
      message: expect.stringContaining('denoise, step 3') as string,
    });
  });

  it('shows the picture moved after each step, small', async () => {
    const gpu = await open.gpu();
    const seen: MotionPreview[] = [];
    const model = await motion(gpu);
    const settings = { frames: 2, longSide: 64, steps: 3, motion: 1 } as const;
    const run = model.animate(picture, settings, { onPreview: (each) => seen.push(each) });
    for await (const frame of run) void frame;
    model.destroy();
    expect(seen.map(({ step, steps }) => `${step}/${steps}`)).toEqual(['1/3', '2/3', '3/3']);
    const [first, , last] = seen;
    expect([first?.width, first?.height]).toEqual([WIDTH, HEIGHT]);
    const change = last?.data.reduce(
      (sum, value, i) => sum + Math.abs(value - (picture.data[i] ?? 0)),
      0,
    );
    expect(change).toBeGreaterThan(WIDTH * HEIGHT); // it moved …
    const mean = (data: ArrayLike<number> = []): number =>
      Array.from(data).reduce((sum, value) => sum + value, 0) / data.length;
    expect(Math.abs(mean(last?.data) - mean(picture.data))).toBeLessThan(10); // … and is the picture
  });

  it('shows what a Wan video is becoming in the colours of its picture', async () => {
    const gpu = await open.gpu();
    const seen: string[] = [];
    let last: Float32Array | undefined;
    await runWan(twoExpertWan, { image })(gpu, 3, {
      onPreview: ({ width, height, data }, done, steps) => {
        seen.push(`${width}x${height} ${done}/${steps}`);
        last = data;
      },
    });
    expect(seen).toEqual(['4x4 1/3', '4x4 2/3', '4x4 3/3']);
    expect(last?.every((value) => value >= 0 && value <= 1)).toBe(true);
  });
});
