/** I2VGen-XL and DynamiCrafter in the shape of a run: a model of a few thousand weights, and plans at real size. */
import { expect, it, vi } from 'vitest';
import { i2vgen } from '../../bench/clips/models.ts';
import type { Capabilities } from '../../src/engine/gpu/device.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { DynamiCrafterVariant } from '../../src/engine/models/dynamicrafter/variants.ts';
import { variantParams } from '../../src/engine/models/dynamicrafter/variants.ts';
import { parseClipModels } from '../../src/engine/models/unet3d/catalog.ts';
import { run } from '../../src/engine/pipeline.ts';
import type {
  Picture,
  RunContext,
  RunnableModel,
  RunReport,
  RunRequest,
} from '../../src/engine/run.ts';
import { runnableDynamiCrafter, runnableI2vgen } from '../../src/engine/run-clips.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { residentEngine } from '../../src/engine/resident.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import catalog from '../../weights/catalog.json' with { type: 'json' };
import { testGpus } from '../helpers/devices.ts';

const picture: Picture = {
  ...{ width: 16, height: 16 },
  data: Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256)),
};
const tokens = (text: string): number[] =>
  Array.from({ length: 77 }, (_, i) => text.charCodeAt(i) || 1);

// One adapter: the kernels have their own tests on all of them.
const [first] = testGpus();

it(`runs I2VGen-XL as any model is run, on ${first?.name}`, async () => {
  const gpu = await first?.gpu();
  if (!gpu) throw new Error('no adapter');
  const model = runnableI2vgen({
    source: i2vgen(gpu, new PipelineCache(gpu.device), true),
    tokens,
  });
  const settings = resolveSettings({
    ...model.presets.preview,
    ...{ frames: 3, steps: 2, precision: 'f32', prompt: 'a wren', seed: 4 },
  });
  const make = async (context: Partial<RunContext>, given: Partial<Settings> = {}) => {
    const frames: string[] = [];
    const asked = { settings: { ...settings, ...given }, picture };
    const running = run(model, asked, { gpu, ...context });
    let report: RunReport | undefined;
    for (let next = await running.next(); ; next = await running.next()) {
      if (next.done === true) {
        report = next.value;
        break;
      }
      const { index, count, width, height, data } = next.value;
      expect([index, count, width, height, data.length]).toEqual([frames.length, 3, 16, 16, 1024]);
      frames.push(data.join());
    }
    return { frames, report };
  };
  const stages = new Set<string>();
  const previews: number[] = [];
  const whole = await make({
    onProgress: ({ stage }) => stages.add(stage),
    onPreview: ({ step, width }) => previews.push(step, width),
  });
  expect(whole.frames).toHaveLength(3);
  expect(whole.report.model).toMatchObject({ family: 'i2vgenxl', stepsDone: 2 });
  expect(whole.report.peakGpuBytes).toBeGreaterThan(0);
  expect([...stages]).toEqual(['load', 'text', 'picture', 'encode', 'denoise', 'decode']);
  expect(previews).toEqual([1, 8, 2, 8]);
  const { executor } = await residentEngine(gpu, {});
  const replay = vi.spyOn(executor, 'replay');
  expect((await make({ keepBytes: 2 ** 30 })).frames).toEqual(whole.frames);
  const runs = replay.mock.calls.map(([recording]) => recording);
  replay.mockRestore();
  const having = (label: string) =>
    runs.filter(({ dispatches }) => dispatches.some((each) => each.label.includes(label)));
  expect(having('text_model'), 'prompts that are known, the unwanted among them').toEqual([]);
  // What text and picture become: once for each half of guidance, not once a step.
  expect(having('image_latents_temporal_encoder')).toHaveLength(2);
  expect(new Set(having('linear_1')).size, 'one recording for all steps').toBe(1);
  expect(having('linear_1')).toHaveLength(2);
  expect((await make({}, { rate: 4 })).frames, 'another rate').not.toEqual(whole.frames);
  await expect(make({}, { loop: true })).rejects.toMatchObject({ code: 'settings/loop' });
}, 120_000);

const card: Capabilities = {
  ...{ software: false, f16: true, subgroups: true, subgroupSize: { min: 32, max: 32 } },
  ...{ subgroupMatrix: [], timestamps: false, workgroupBytes: 32768 },
  ...{ maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 32 - 4 },
};

function plan(variant: DynamiCrafterVariant, given: Partial<Settings>, limit?: number) {
  const source = { params: variantParams(variant), weights: () => Promise.reject(new Error()) };
  const model = runnableDynamiCrafter({ source, tokens, variant });
  const settings = resolveSettings({ ...model.presets.standard, ...given });
  const size = model.sizeFor({ width: 3, height: 2 }, settings);
  const caps = limit ? { ...card, maxBindingBytes: limit } : card;
  return model.plan({ settings, size, precision: 'f16' }, caps);
}

it('plans DynamiCrafter at 1024 × 576 within ten gigabytes, seven with int8 weights', async () => {
  const whole = await plan('1024', {});
  const loads = whole.stages.map(({ work }) => work.loadBytes / 1e9);
  expect(loads.at(-1), 'the decoder alone').toBeLessThan(0.2);
  expect(loads.at(-2)).toBeCloseTo(2.87, 1);
  expect(whole.stages.map(({ name }) => name)).toEqual([
    ...['load', 'text', 'picture', 'encode', 'denoise', 'decode'],
  ]);
  const denoise = whole.stages.find(({ name }) => name === 'denoise');
  const { flops = 0, attentionFlops = 0 } = denoise?.work ?? {};
  expect((flops + attentionFlops) / 50 / 1e12).toBeCloseTo(105, -1);
  expect(whole.peakBytes).toBeLessThan(10e9);
  const small = await plan('1024', { weights: 'int8' });
  expect(small.peakBytes).toBeLessThan(7e9);
  expect(small.peakBytes).toBeLessThan(whole.peakBytes - 0.5e9);
  const stated = parseClipModels(catalog).find(({ variant }) => variant === '1024')?.memoryBytes;
  expect(whole.peakBytes / (stated?.f16 ?? NaN), 'the catalog').toBeCloseTo(1, 1);
  expect(small.peakBytes / (stated?.int8 ?? NaN), 'the catalog').toBeCloseTo(1, 1);
}, 60_000);

it('fits 1024 × 576 into bindings of a gibibyte, and says what does not fit into the least that devices bind', async () => {
  const { largestBuffer } = await plan('1024', {}, 2 ** 30);
  expect(largestBuffer).toBeLessThanOrEqual(2 ** 30);
  await expect(plan('1024', {}, 2 ** 27)).rejects.toMatchObject({ code: 'gpu/limit' });
  const small = await plan('256', {}, 2 ** 27);
  expect(small.largestBuffer).toBeLessThanOrEqual(2 ** 28); // weights lie in buffers of 256 MiB, bound in parts
}, 60_000);

it('refuses what the models cannot make', async () => {
  const gpu = await first?.gpu();
  if (!gpu) throw new Error('no adapter');
  const source = { params: variantParams('512'), weights: () => Promise.reject(new Error()) };
  const settings = resolveSettings({ frames: 16, size: { width: 64, height: 64 } });
  const start = (model: RunnableModel, request: Partial<RunRequest>) =>
    run(model, { settings, picture, ...request }, { gpu }).next();
  const plain = runnableDynamiCrafter({ source, tokens, variant: '512' });
  await expect(start(plain, { lastPicture: picture })).rejects.toMatchObject({
    code: 'clip/image',
  });
  const wordless = runnableDynamiCrafter({ source, tokens: undefined, variant: '512' });
  await expect(start(wordless, {})).rejects.toMatchObject({ code: 'text/tokenizer' });
  await expect(start(plain, { picture: undefined })).rejects.toMatchObject({
    code: 'image/missing',
  });
  await expect(plan('512', { loop: true })).rejects.toMatchObject({ code: 'settings/loop' });
  await expect(plan('512', { frames: 25 })).rejects.toMatchObject({ code: 'settings/frames' });
  await expect(plan('512', { weights: 'w8a8' })).rejects.toMatchObject({
    code: 'settings/weights',
    message: expect.stringContaining('choose int8'),
  });
  await expect(start(plain, { settings: { ...settings, weights: 'w8a8' } })).rejects.toMatchObject({
    code: 'settings/weights',
  });
  await expect(plan('512', { size: { width: 320, height: 200 } })).rejects.toMatchObject({
    code: 'clip/size',
  });
});
