import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanFrame, WanOptions } from '../../src/engine/models/wan/pipeline.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { Checkpoint } from '../../src/engine/sampling/checkpoint.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { randomModel, textWan } from '../helpers/wan-model.ts';

const request: WanRequest = {
  ...{ prompt: [7, 3, 1], width: 32, height: 16, frames: 5 },
  ...{ steps: 3, shift: 3, guidance: 4, seed: 5 },
};

const black = { width: 32, height: 16, channels: 3, data: new Float32Array(32 * 16 * 3) };

const engineOf = (gpu: Gpu): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
});

async function framesOf(
  gpu: Gpu,
  change: Partial<WanRequest> = {},
  options: WanOptions = {},
): Promise<WanFrame[]> {
  const frames: WanFrame[] = [];
  const source = randomModel(textWan);
  for await (const frame of generate(engineOf(gpu), source, { ...request, ...change }, options))
    frames.push(frame);
  return frames;
}

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'the text pipeline on $name',
  (open) => {
    it('gives every frame once, in order, with values in 0..1, and the same for the same seed', async () => {
      const gpu = await open.gpu();
      const frames = await framesOf(gpu);
      expect(frames.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
      for (const { width, height, data } of frames) {
        expect([width, height, data.length]).toEqual([32, 16, 32 * 16 * 3]);
        expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
      }
      expect(await framesOf(gpu)).toEqual(frames);
      expect(await framesOf(gpu, { seed: 6 })).not.toEqual(frames);
      expect(await framesOf(gpu, { negativePrompt: [9, 1] })).not.toEqual(frames);
      expect(await framesOf(gpu, { prompt: [8, 3, 1] })).not.toEqual(frames);
    });

    it('does not look at the negative prompt without guidance', async () => {
      const gpu = await open.gpu();
      const frames = await framesOf(gpu, { guidance: 1 });
      expect(await framesOf(gpu, { guidance: 1, negativePrompt: [9, 4, 1] })).toEqual(frames);
    });

    it('makes noise again between the steps of a distilled model, by the seed, and after a break too', async () => {
      const gpu = await open.gpu();
      const timesteps = [1000, 757, 522];
      const solver = { kind: 'renoise', variant: 'diffusers', timesteps } as const;
      const distilled = { solver, guidance: 1, shift: 5 };
      const frames = await framesOf(gpu, distilled);
      expect(await framesOf(gpu, distilled)).toEqual(frames);
      expect(await framesOf(gpu, { ...distilled, seed: 6 })).not.toEqual(frames);
      const kept: Checkpoint[] = [];
      const checkpoints = { due: () => true, save: async (one: Checkpoint) => void kept.push(one) };
      await framesOf(gpu, distilled, { checkpoints });
      const [, resume] = kept;
      expect(resume?.step).toBe(2);
      expect(await framesOf(gpu, distilled, resume && { resume })).toEqual(frames);
    });

    it('reports its stages in order, each up to its end', async () => {
      const gpu = await open.gpu();
      const seen: { stage: string; done: number }[] = [];
      await framesOf(gpu, {}, { onProgress: ({ stage, done }) => seen.push({ stage, done }) });
      expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['text', 'denoise', 'decode']);
      for (const stage of ['text', 'denoise', 'decode']) {
        const shares = seen.filter((event) => event.stage === stage).map(({ done }) => done);
        expect(shares).toEqual(shares.toSorted((a, b) => a - b));
        expect(shares.at(-1)).toBeCloseTo(1, 6);
      }
    });

    it.each(['text', 'denoise', 'decode'])(
      'stops when it is cancelled during %s',
      async (stage) => {
        const gpu = await open.gpu();
        const controller = new AbortController();
        const run = framesOf(
          gpu,
          {},
          {
            signal: controller.signal,
            onProgress: (progress) => {
              if (progress.stage === stage) controller.abort();
            },
          },
        );
        await expect(run).rejects.toMatchObject({ name: 'AbortError' });
      },
    );

    it('opens the second expert after the first, and only for its steps', async () => {
      const gpu = await open.gpu();
      const run = async (boundary: number): Promise<string[]> => {
        const source = randomModel({ ...textWan, transformer_2: textWan.transformer });
        for await (const { index } of generate(engineOf(gpu), source, { ...request, boundary }))
          expect(index).toBeLessThan(5);
        return source.opened.slice(source.opened.indexOf('text_encoder') + 1);
      };
      expect(await run(0.9)).toEqual(['transformer', 'transformer_2', 'vae']);
      expect(await run(1)).toEqual(['transformer_2', 'vae']);
      expect(await run(0)).toEqual(['transformer', 'vae']);
    });

    it.each([
      ['a width that does not fit', { width: 24 }, 'wan/size'],
      ['frames that do not fit', { frames: 6 }, 'wan/frames'],
      ['a token outside the vocabulary', { prompt: [100, 1] }, 'text/token'],
      ['a picture it has no use for', { image: black }, 'wan/image'],
    ] as const)('refuses %s', async (_, change, code) => {
      await expect(framesOf(await open.gpu(), change)).rejects.toMatchObject({ code });
    });
  },
);
