import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timeSubmits } from '../../bench/submit-times.ts';
import { holdDevice } from '../../src/app/engine/device.ts';
import { LossCounter, untilStopped } from '../../src/app/engine/stop.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { openDevice } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { checkMemory } from '../../src/engine/memory-check.ts';
import { run } from '../../src/engine/pipeline.ts';
import { runnableMotion } from '../../src/engine/run-motion.ts';
import type { RunContext, RunnableModel } from '../../src/engine/run.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import { fileSource } from '../../src/engine/weights/node-source.ts';
import { adapters, openGpu } from '../helpers/gpu.ts';

const file = (name: string) =>
  fileURLToPath(new URL(`../fixtures/motion/${name}`, import.meta.url));

async function tinyModel(): Promise<RunnableModel> {
  const golden = JSON.parse(await readFile(file('config.json'), 'utf8')) as object;
  const config: unknown = { ...golden, grids: [[6, 8]] };
  return runnableMotion({ config, weights: await fileSource(file('model.safetensors')) });
}

const size = { width: 96, height: 64 };
const settings = resolveSettings({ size, frames: 6, steps: 4, motion: 1, precision: 'f32' });
const data = new Uint8ClampedArray(96 * 64 * 4).map((_, i) => (i % 4 === 3 ? 255 : (7 * i) % 256));
const request = { settings, picture: { ...size, data } };

async function framesOf(model: RunnableModel, context: RunContext) {
  const frames = run(model, request, context);
  for (;;) {
    const next = await frames.next();
    if (next.done) return next.value;
  }
}

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => void process.on('unhandledRejection', hear));
afterAll(() => void process.off('unhandledRejection', hear));

const devices = adapters.filter(({ name }) => name === 'lavapipe');

describe.each(devices)('a run on $name', ({ name }) => {
  const open = async (): Promise<Gpu> => openDevice({ gpu: (await openGpu(name)).gpu });

  it.each(['load', 'prepare', 'encode', 'denoise', 'render'])(
    'whose device is destroyed during "%s" is told so, and leaves no rejection behind',
    async (stage) => {
      const gpu = await open();
      const model = await tinyModel();
      let reached = false;
      const never = new AbortController();
      const work = (signal: AbortSignal) =>
        framesOf(model, {
          ...{ gpu, signal },
          onProgress(event) {
            if (event.stage !== stage || reached) return;
            reached = true;
            gpu.destroy();
          },
        });
      await expect(
        untilStopped(gpu, never.signal, work, () => gpu.destroy()),
      ).rejects.toMatchObject({ code: 'gpu/lost' });
      expect(reached).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 50)); // a rejection would have been told by now
      expect(unhandled).toEqual([]);
    },
  );

  it('takes no more memory than its plan, and not much less', async () => {
    const gpu = await open();
    const model = await tinyModel();
    const plan = await model.plan({ settings, size, precision: 'f32' }, gpu.caps);
    expect(plan.stages.map(({ name: stage, steps }) => `${stage} ${steps}`)).toEqual([
      ...['load 1', 'prepare 1', 'encode 1', 'denoise 4', 'render 6'],
    ]);
    await checkMemory(gpu, plan);
    const { peakGpuBytes } = await framesOf(model, { gpu });
    expect(plan.peakBytes).toBeGreaterThanOrEqual(peakGpuBytes);
    expect(plan.peakBytes).toBeLessThanOrEqual(1.15 * peakGpuBytes);
    gpu.destroy();
  });

  it('is refused before it starts where a buffer is larger than the device makes', async () => {
    const gpu = await open();
    const most = gpu.caps.maxBufferBytes;
    const plan = { stages: [], peakBytes: 2 * most, largestBuffer: 2 * most };
    await expect(checkMemory(gpu, plan)).rejects.toMatchObject({
      ...{ code: 'gpu/limit', have: most, need: 2 * most },
    });
    gpu.destroy();
  });

  it('is refused in words where there is no room for it, and what was tried is given back', async () => {
    const gpu = await open();
    const { liveBytes } = meterBuffers(gpu.device);
    const create = gpu.device.createBuffer.bind(gpu.device);
    let made = 0;
    // The software adapter hands out more than there is: from the fourth on it is said here that it cannot.
    gpu.device.createBuffer = (descriptor) => {
      made++;
      return made < 4 ? create(descriptor) : create({ ...descriptor, size: 2 ** 50 });
    };
    const plan = { stages: [], peakBytes: 2 ** 31, largestBuffer: 2 ** 20 };
    await expect(checkMemory(gpu, plan)).rejects.toMatchObject({
      ...{ code: 'gpu/memory', stage: 'check', need: 2 ** 31 },
    });
    expect(meterBuffers(gpu.device).liveBytes).toBe(liveBytes);
    gpu.destroy();
  });

  it('is submitted in pieces that leave the device to others', async () => {
    const gpu = await open();
    const waits = timeSubmits(gpu.device.queue);
    await framesOf(await tinyModel(), { gpu });
    const times = (await Promise.all(waits)).toSorted((a, b) => a - b);
    const at = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? NaN;
    expect(times.length).toBeGreaterThan(10);
    expect(at(0.5)).toBeLessThanOrEqual(100);
    expect(at(0.99)).toBeLessThanOrEqual(250);
    gpu.destroy();
  });
});

describe('a device', () => {
  it('that does not answer is given up', async () => {
    const silent = { requestAdapter: () => new Promise(() => undefined) } as unknown as GPU;
    await expect(holdDevice(silent, 20).get()).rejects.toMatchObject({ code: 'gpu/timeout' });
  });

  it('that could not be opened is asked for again', async () => {
    let asked = 0;
    const empty = {
      requestAdapter: async () => {
        asked++;
        return null;
      },
    } as unknown as GPU;
    const held = holdDevice(empty);
    await expect(held.get()).rejects.toMatchObject({ code: 'gpu/no-adapter' });
    await expect(held.get()).rejects.toMatchObject({ code: 'gpu/no-adapter' });
    expect(asked).toBe(2);
  });
});

describe('losses', () => {
  it('are too many at the third within five minutes', () => {
    let now = 0;
    const losses = new LossCounter(() => now);
    expect([losses.take(true), losses.take(true)]).toEqual([false, false]);
    now = 5 * 60_000; // both are five minutes old
    expect(losses.take(true)).toBe(false);
    now += 60_000;
    expect(losses.take(true)).toBe(false);
    now += 60_000;
    expect(losses.take(true)).toBe(true);
  });

  it('of devices that did no work yet are those of a process that goes down, but not for ever', () => {
    let now = 0;
    const losses = new LossCounter(() => now);
    const taken = Array.from({ length: 8 }, () => {
      now += 500;
      return losses.take(false);
    });
    expect(taken).toEqual([...Array.from({ length: 7 }, () => false), true]);
  });
});
