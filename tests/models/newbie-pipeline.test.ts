import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { Raster } from '../../src/engine/image/resize.ts';
import { covering, paintAndAnimate } from '../../src/engine/models/newbie/animate.ts';
import { TextCache } from '../../src/engine/models/newbie/encode.ts';
import type { NewbieOptions } from '../../src/engine/models/newbie/pipeline.ts';
import { paint } from '../../src/engine/models/newbie/pipeline.ts';
import type { NewbieComponent, NewbieRequest } from '../../src/engine/models/newbie/request.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { openModelFolder } from '../../src/engine/weights/model-folder.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { newbieParts, randomNewbie } from '../helpers/newbie-model.ts';
import { firstFrameWan, randomModel } from '../helpers/wan-model.ts';

const request: NewbieRequest = {
  prompt: { gemma: [2, 7, 9], jina: [0, 4, 2] },
  negativePrompt: { gemma: [2], jina: [0, 2] },
  ...{ width: 16, height: 12, steps: 3, guidance: 3, seed: 5 },
};

const engineOf = (gpu: Gpu): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
});

const pictureOf = (
  gpu: Gpu,
  change: Partial<NewbieRequest> = {},
  options: NewbieOptions = {},
): Promise<Raster> => paint(engineOf(gpu), randomNewbie(), { ...request, ...change }, options);

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'the picture pipeline on $name',
  (open) => {
    it('gives a picture in 0..1, the same for the same seed and another for anything else', async () => {
      const gpu = await open.gpu();
      const picture = await pictureOf(gpu);
      expect([picture.width, picture.height, picture.data.length]).toEqual([16, 12, 16 * 12 * 3]);
      expect(picture.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(await pictureOf(gpu)).toEqual(picture);
      const others: Partial<NewbieRequest>[] = [
        { seed: 6 },
        { guidance: 1 },
        { guideUntil: 0.1 },
        { guidanceLimit: 0.5 },
        { solver: 'midpoint' },
        { prompt: { gemma: [2, 7, 8], jina: [0, 4, 2] } },
        { prompt: { gemma: [2, 7, 9], jina: [0, 5, 2] } },
      ];
      for (const change of others) expect(await pictureOf(gpu, change)).not.toEqual(picture);
    });

    it('reports its stages in order, each up to its end', async () => {
      const seen: { stage: string; done: number }[] = [];
      const onProgress: NonNullable<NewbieOptions['onProgress']> = ({ stage, done }) =>
        seen.push({ stage, done });
      await pictureOf(await open.gpu(), {}, { onProgress });
      const stages = ['text', 'conditions', 'denoise', 'decode'];
      expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(stages);
      for (const stage of stages) {
        const shares = seen.filter((event) => event.stage === stage).map(({ done }) => done);
        expect(shares).toEqual(shares.toSorted((a, b) => a - b));
        expect(shares.at(-1)).toBeCloseTo(1, 6);
      }
    });

    it('encodes a text once for as long as it is kept', async () => {
      const gpu = await open.gpu();
      const source = randomNewbie();
      const texts = new TextCache();
      const first = await paint(engineOf(gpu), source, request, { texts });
      const opened = source.opened.length;
      expect(await paint(engineOf(gpu), source, request, { texts })).toEqual(first);
      expect(source.opened.slice(opened)).toEqual(['transformer', 'vae']);
    });

    it.each(['text', 'conditions', 'denoise', 'decode'])(
      'stops when it is cancelled during %s',
      async (stage) => {
        const gpu = await open.gpu();
        const controller = new AbortController();
        const options: NewbieOptions = {
          signal: controller.signal,
          onProgress: (progress) => {
            if (progress.stage === stage) controller.abort();
          },
        };
        await expect(pictureOf(gpu, {}, options)).rejects.toMatchObject({ name: 'AbortError' });
      },
    );

    it('paints the same from a folder as it is released', async () => {
      const gpu = await open.gpu();
      const parts = newbieParts();
      const bytes = (path: string): Uint8Array | undefined => {
        const [, folder, name] = /^(.*)\/(config\.json|model\.safetensors)$/.exec(path) ?? [];
        const part = parts.get(folder as NewbieComponent);
        if (!part) return undefined;
        return name === 'config.json'
          ? new TextEncoder().encode(JSON.stringify(part.config))
          : part.file;
      };
      const files = {
        open: async (path: string) => {
          const found = bytes(path);
          return found && bytesSource(found);
        },
      };
      const folder = await openModelFolder(files, [...parts.keys()]);
      expect(await paint(engineOf(gpu), folder, request)).toEqual(await pictureOf(gpu));
    });

    it.each([
      ['a width that does not fit', { width: 18 }, 'newbie/size'],
      ['no steps', { steps: 0 }, 'newbie/steps'],
      ['guidance below 1', { guidance: 0.5 }, 'newbie/guidance'],
      ['a token outside the vocabulary', { prompt: { gemma: [30], jina: [0] } }, 'text/token'],
      ['an empty list of tokens', { prompt: { gemma: [], jina: [0] } }, 'newbie/prompt'],
      ['noise of another size', { noise: new Float32Array(3) }, 'newbie/noise'],
      ['a picture beyond the known positions', { width: 128 }, 'graph/rope'],
    ] as const)('refuses %s', async (_, change, code) => {
      await expect(pictureOf(await open.gpu(), change)).rejects.toMatchObject({ code });
    });

    it('hands its picture to a video model, which starts from it', async () => {
      const gpu = await open.gpu();
      const sources = { picture: randomNewbie(), video: randomModel(firstFrameWan) };
      const video = {
        ...{ prompt: [7, 3, 1], width: 32, height: 32, frames: 5 },
        ...{ steps: 1, shift: 3, guidance: 1, seed: 5 },
      };
      const seen: Raster[] = [];
      const shapes: number[][] = [];
      const frames = paintAndAnimate(
        engineOf(gpu),
        sources,
        { picture: request, video },
        { onPicture: (picture) => seen.push(picture) },
      );
      for await (const { index, width, height } of frames) shapes.push([index, width, height]);
      expect(shapes).toEqual([0, 1, 2, 3, 4].map((index) => [index, 32, 32]));
      expect(seen).toEqual([await pictureOf(gpu)]);
    });
  },
);

describe('a picture that is to cover another size', () => {
  it('loses what hangs over, on both sides alike', () => {
    const data = Float32Array.from({ length: 6 * 2 * 1 }, (_, i) => (i % 6) / 6);
    const cut = covering({ width: 6, height: 2, channels: 1, data }, { width: 2, height: 2 });
    expect([...cut.data]).toEqual([2 / 6, 3 / 6, 2 / 6, 3 / 6].map(Math.fround));
  });
});
