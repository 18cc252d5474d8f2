import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { loadMotion } from '../../src/engine/models/motion/index.ts';
import type {
  MotionFrame,
  MotionModel,
  MotionReport,
  MotionSettings,
} from '../../src/engine/models/motion/index.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';

// The golden case's model: the real network in small, with random weights.
const file = (name: string) =>
  fileURLToPath(new URL(`../fixtures/motion/${name}`, import.meta.url));

async function load(gpu: Gpu): Promise<MotionModel> {
  const golden = JSON.parse(await readFile(file('config.json'), 'utf8')) as object;
  const config: unknown = {
    ...golden,
    grids: [
      [6, 8],
      [8, 6],
    ],
  };
  const engine = { gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu) };
  const weights = await fileSource(file('model.safetensors'));
  return loadMotion(engine, { config, weights }, { precision: 'f32' });
}

/** A soft picture of 8-bit colours, 64 × 48. */
const [WIDTH, HEIGHT] = [64, 48];
const picture = {
  width: WIDTH,
  height: HEIGHT,
  channels: 4,
  data: Uint8ClampedArray.from({ length: WIDTH * HEIGHT * 4 }, (_, i) => {
    const [c, x, y] = [i % 4, Math.floor(i / 4) % WIDTH, Math.floor(i / 4 / WIDTH)];
    return c === 3 ? 255 : 128 + 100 * Math.sin(0.2 * x + c) * Math.cos(0.17 * y - c);
  }),
};

const SMALL: Partial<MotionSettings> = { frames: 4, fps: 8, longSide: 64, seed: 5 };

async function run(
  model: MotionModel,
  settings: Partial<MotionSettings>,
  options = {},
): Promise<{ frames: MotionFrame[]; report: MotionReport }> {
  const frames: MotionFrame[] = [];
  const generator = model.animate(picture, { ...SMALL, ...settings }, options);
  for (;;) {
    const next = await generator.next();
    if (next.done) return { frames, report: next.value };
    frames.push(next.value);
  }
}

const difference = (a: MotionFrame | undefined, b: MotionFrame | undefined): number =>
  a?.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (b?.data[i] ?? NaN))), 0) ??
  NaN;

describe.each(testGpus())('the built-in model on $name', (open) => {
  it('runs from a picture to frames, the first of which is the picture', async () => {
    const steps: { readonly stage: string; readonly done: number; readonly total: number }[] = [];
    const model = await load(await open.gpu());
    const { frames, report } = await run(
      model,
      {},
      { onProgress: (step: (typeof steps)[number]) => steps.push(step) },
    );
    expect(frames.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect([...(frames[0]?.data ?? [])]).toEqual([...picture.data]);
    expect(difference(frames[0], frames[3])).toBeGreaterThan(3);
    // Reports inside a step fall where the device's pace puts them: only their order is certain.
    const denoised = steps.filter(({ stage }) => stage === 'denoise').map(({ done }) => done);
    expect(denoised).toEqual(denoised.toSorted((a, b) => a - b));
    const whole = steps.filter(({ done }) => Number.isInteger(done));
    expect(whole.map(({ stage, done, total }) => `${stage} ${done}/${total}`)).toEqual([
      'prepare 0/1',
      'encode 0/1',
      'denoise 0/2',
      'denoise 1/2',
      'denoise 2/2',
      'render 0/4',
      'render 1/4',
      'render 2/4',
      'render 3/4',
      'render 4/4',
    ]);
    expect(report).toMatchObject({
      size: { width: 64, height: 48 },
      grid: [6, 8],
      steps: 2,
      frames: 4,
    });
    expect(report.flops).toBeGreaterThan(1e7);
    expect(report.peakBytes).toBeGreaterThan(1e6);
    expect(report.submits).toBeGreaterThanOrEqual(7);
  });

  it('gives the same frames for the same seed and others for another', async () => {
    const model = await load(await open.gpu());
    const [one, same, other] = [
      await run(model, {}),
      await run(model, {}),
      await run(model, { seed: 6 }),
    ];
    for (const [i, frame] of one.frames.entries())
      expect(difference(frame, same.frames[i])).toBe(0);
    expect(difference(one.frames[3], other.frames[3])).toBeGreaterThan(0);
  });

  it('leaves the picture as it is at motion 0, without running the network', async () => {
    const { frames, report } = await run(await load(await open.gpu()), { motion: 0 });
    for (const frame of frames) expect([...frame.data]).toEqual([...picture.data]);
    expect(report.steps).toBe(0);
    expect(report.elapsedMs.denoise).toBe(0);
  });

  it('a loop comes back to the picture', async () => {
    const gpu = await open.gpu();
    const model = await load(gpu);
    const { frames } = await run(model, { loop: true, frames: 40, camera: [{ move: 'pan-left' }] });
    const far = difference(frames[0], frames[20]);
    expect(far).toBeGreaterThan(10);
    expect(difference(frames[0], frames[39])).toBeLessThan(far / 4);
  });

  it('stops soon after its signal and leaves the device usable', async () => {
    const model = await load(await open.gpu());
    const controller = new AbortController();
    const cancelled = run(
      model,
      {},
      {
        signal: controller.signal,
        onProgress: ({ stage, done }: { stage: string; done: number }) => {
          if (stage === 'denoise' && done === 1) controller.abort();
        },
      },
    );
    await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    expect((await run(model, {})).frames).toHaveLength(4);
  });

  it.each([
    [{ motion: 1.2 }, 'motion strength'],
    [{ frames: 1 }, 'number of frames'],
    [{ seed: -1 }, 'seed'],
    [{ longSide: 4000 }, 'long side'],
    [{ steps: 2.5 }, 'number of steps'],
  ])('refuses %o', async (settings, why) => {
    const model = await load(await open.gpu());
    await expect(run(model, settings)).rejects.toThrow(why);
  });
});
