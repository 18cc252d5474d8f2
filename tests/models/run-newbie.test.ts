import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WanFiles } from '../../src/engine/models/wan/animate.ts';
import { run } from '../../src/engine/pipeline.ts';
import type { ProgressEvent } from '../../src/engine/progress.ts';
import type { Preview, RunContext, RunFrame, RunnableModel } from '../../src/engine/run.ts';
import { openNewbie, runnableNewbie } from '../../src/engine/run-newbie.ts';
import { runnablePainted } from '../../src/engine/run-painted.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { testGpus } from '../helpers/devices.ts';
import { newbieFolder } from '../helpers/newbie-model.ts';
import { firstFrameWan, randomModel } from '../helpers/wan-model.ts';

const size = { width: 64, height: 64 };
const settings = resolveSettings({
  ...{ prompt: 'red bird', precision: 'f32', steps: 2, frames: 5, seed: 3, fps: 16, size },
});

const umt5 = join(import.meta.dirname, '../fixtures/tokenizers/umt5.json');
const wan = (): WanFiles => ({
  parts: randomModel(firstFrameWan),
  tokenizer: bytesSource(readFileSync(umt5)),
  usual: {
    ...{ picture: 'possible', sideMultiple: 32, frameMultiple: 4, fps: 16, frames: 5 },
    ...{ steps: 2, guidance: 1, shift: 3, solver: 'unipc' },
  },
});

const painter = async (): Promise<RunnableModel> =>
  runnableNewbie(await openNewbie(newbieFolder()));

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'a run of the picture model on $name',
  (open) => {
    const made = async (
      model: RunnableModel,
      change: Partial<Settings> = {},
      context: Partial<RunContext> = {},
    ) => {
      const gpu = await open.gpu();
      const events: ProgressEvent[] = [];
      const each = run(
        model,
        { settings: { ...settings, ...change } },
        { gpu, onProgress: (event) => events.push(event), ...context },
      );
      const frames: RunFrame[] = [];
      for (let next = await each.next(); ; next = await each.next()) {
        if (next.done) return { frames, events, report: next.value };
        frames.push(next.value);
      }
    };

    it('gives one picture, the same for the same seed, with its texts read once', async () => {
      const model = await painter();
      const expected = ['text', 'denoise', 'decode'].map((name) => ({
        ...{ name, ms: 100 },
        steps: name === 'denoise' ? 2 : 1,
      }));
      const { frames, events, report } = await made(model, {}, { expected });
      expect(frames).toHaveLength(1);
      expect(frames[0]).toMatchObject({ ...size, index: 0, count: 1 });
      expect(new Set(frames[0]?.data).size).toBeGreaterThan(10);
      expect([...new Set(events.map(({ stage }) => stage))]).toEqual(
        expected.map(({ name }) => name),
      );
      expect(events.at(-1)?.done).toBeCloseTo(1, 6);
      expect(report).toMatchObject({ size, model: { family: 'newbie', stepsDone: 2 } });
      const again = await made(model);
      expect(again.frames[0]?.data).toEqual(frames[0]?.data);
      expect(again.report.dispatches).toBeLessThan(report.dispatches);
      const other = await made(model, { seed: 4 });
      expect(other.frames[0]?.data).not.toEqual(frames[0]?.data);
    });

    it.each([
      ['no prompt', { prompt: ' ' }, 'text/prompt'],
      ['an element that the model does not know', { prompt: '<hair>red</hair>' }, 'text/prompt'],
      ['a size between its patches', { size: { width: 72, height: 64 } }, 'settings/size'],
    ])('refuses %s', async (_, change, code) => {
      await expect(made(await painter(), change)).rejects.toMatchObject({ code });
    });

    it('says before what it will take', async () => {
      const model = await painter();
      const { caps } = await open.gpu();
      expect(() => model.sizeFor(size, { ...settings, size: { width: 72, height: 64 } })).toThrow(
        expect.objectContaining({ code: 'settings/size' }),
      );
      const plans = await Promise.all(
        [1, 5].map((guidance) =>
          model.plan({ settings: { ...settings, guidance }, size, precision: 'f32' }, caps),
        ),
      );
      const [alone, guided] = plans.map(({ stages }) =>
        stages.find(({ name }) => name === 'denoise'),
      );
      expect([alone?.steps, guided?.steps]).toEqual([2, 2]);
      expect((guided?.work.flops ?? 0) / (alone?.work.flops ?? 1)).toBeGreaterThan(1.5);
      for (const { peakBytes } of plans) expect(peakBytes).toBeGreaterThan(1e5);
    });

    it('paints the first picture of a video, all in one run', async () => {
      const newbie = await openNewbie(newbieFolder());
      const model = runnablePainted(newbie, wan(), {
        pixels: 48 * 48,
        steps: 2,
        guidance: 3,
        shift: 6,
      });
      const { caps } = await open.gpu();
      const plan = await model.plan({ settings, size, precision: 'f32' }, caps);
      expect(plan.stages.map(({ name }) => name)).toEqual([
        ...['paint', 'load', 'text', 'picture', 'denoise', 'decode'],
      ]);
      const previews: Preview[] = [];
      const onPreview = (preview: Preview): void => void previews.push(preview);
      const { frames, report } = await made(model, {}, { onPreview });
      expect(frames.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
      expect(frames.every(({ width, height }) => width === 64 && height === 64)).toBe(true);
      expect(report.model).toMatchObject({ family: 'wan', stepsDone: 2 });
      expect(previews.length).toBeGreaterThan(0);
      const other = await made(model, { seed: 4 });
      expect(other.frames[0]?.data).not.toEqual(frames[0]?.data);
    });
  },
);
