import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { Graph, checkpointWeights } from '../../src/engine/graph/graph.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { Raster } from '../../src/engine/image/resize.ts';
import { crop, resizeFloats } from '../../src/engine/image/resize.ts';
import { parseAutoencoderConfig } from '../../src/engine/models/autoencoder-kl/config.ts';
import { coveringOnDevice, middleOf } from '../../src/engine/models/newbie/covering.ts';
import { decodePicture } from '../../src/engine/models/newbie/decode.ts';
import { TextCache } from '../../src/engine/models/newbie/encode.ts';
import type { NewbieOptions } from '../../src/engine/models/newbie/pipeline.ts';
import { paint, paintOnDevice } from '../../src/engine/models/newbie/pipeline.ts';
import type { NewbieComponent, NewbieRequest } from '../../src/engine/models/newbie/request.ts';
import { renameHalf } from '../../src/engine/models/tae/names.ts';
import { taesdDecoder } from '../../src/engine/models/tae/taesd.ts';
import type { PlacedPicture } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanTrace } from '../../src/engine/models/wan/pipeline.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { Checkpoint } from '../../src/engine/sampling/checkpoint.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { openModelFolder } from '../../src/engine/weights/model-folder.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { newbieParts, randomNewbie } from '../helpers/newbie-model.ts';
import { firstFrameWan, randomModel, seeingWan } from '../helpers/wan-model.ts';

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

    it('shows every step at full size where it is given a tiny autoencoder, and makes the same picture', async () => {
      const gpu = await open.gpu();
      const tiny = await tinyDecoder();
      const seen: [width: number, height: number, step: number, steps: number][] = [];
      const values = new Set<number>();
      const picture = await pictureOf(
        gpu,
        {},
        {
          tiny,
          onPreview: ({ width, height, data }, step, steps) => {
            seen.push([width, height, step, steps]);
            for (const value of data) values.add(value);
          },
        },
      );
      expect(seen.length).toBeGreaterThan(0); // one that would make the next step wait is left out
      for (const [width, height, step, steps] of seen) {
        expect([width, height, steps]).toEqual([64, 48, 3]); // eight pixels for each of the latent's
        expect(step).toBeLessThanOrEqual(3);
      }
      expect(values.size).toBeGreaterThan(100);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThanOrEqual(1);
      expect(picture).toEqual(await pictureOf(gpu));
    });

    it('goes on from a checkpoint to the same picture, its texts not read again', async () => {
      const gpu = await open.gpu();
      const saved: Checkpoint[] = [];
      const checkpoints = {
        due: () => saved.length === 0,
        save: async (checkpoint: Checkpoint) => void saved.push(checkpoint),
      };
      const whole = await pictureOf(gpu, {}, { checkpoints });
      const [resume] = saved;
      if (!resume) throw new Error('no checkpoint was saved');
      expect([resume.step, resume.steps]).toEqual([1, 3]);
      const source = randomNewbie();
      expect(await paint(engineOf(gpu), source, request, { resume })).toEqual(whole);
      expect(source.opened).toEqual(['transformer', 'vae']);
    });

    it('finishes early with what the last step took the picture to be', async () => {
      const gpu = await open.gpu();
      const finish = new AbortController();
      let calls = 0;
      const picture = await pictureOf(
        gpu,
        {},
        {
          finishEarly: finish.signal,
          onProgress: ({ stage }) => stage === 'denoise' && finish.abort(),
          onSampled: (made) => (calls = made),
        },
      );
      expect(calls).toBe(1);
      expect(picture.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(picture).not.toEqual(await pictureOf(gpu));
    });

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

    it.each([
      ['one whose first frame it is', firstFrameWan],
      ['one that sees it through CLIP too', seeingWan],
    ])(
      'hands over to a video model the values that it would through the host, to %s',
      async (_, model) => {
        const gpu = await open.gpu();
        const engine = engineOf(gpu);
        const size = { width: 32, height: 64 };
        const picture = await paintOnDevice(engine, randomNewbie(), request);
        const { data, ...fitted } = await coveringOnDevice(engine, picture, size);
        const middle = crop(picture, middleOf(picture, size));
        const scaled = resizeFloats(middle, size, 'lanczos');
        const held = scaled.data.map((value) => Math.min(1, Math.max(0, value)));
        const byHost = { ...scaled, data: held };
        expect(furthest(data, byHost.data)).toBeLessThan(1e-6);
        const video = {
          ...{ prompt: [7, 3, 1], ...size, frames: 5, steps: 1, shift: 3, guidance: 1, seed: 5 },
        };
        const conditionsOf = async (image: PlacedPicture) => {
          const seen: Record<string, Float32Array | undefined>[] = [];
          const onTrace = (trace: WanTrace): void => {
            if (trace.stage === 'conditions') seen.push({ ...trace.conditions });
          };
          const run = generate(engine, randomModel(model), { ...video, image }, { onTrace });
          for await (const { index } of run) void index;
          return seen[0] ?? {};
        };
        const nothing = new Float32Array(data.length).fill(NaN); // what is read back must not count
        const placed = await conditionsOf({ ...fitted, data: nothing });
        const through = await conditionsOf(byHost);
        expect(Object.keys(placed)).toEqual(Object.keys(through));
        for (const [name, values] of Object.entries(through)) {
          expect(
            values?.some((value) => value !== 0),
            name,
          ).toBe(true);
          expect(furthest(placed[name] ?? [], values ?? []), name).toBeLessThan(1e-5);
        }
        for (const each of [picture, fitted]) each.destroy();
      },
    );

    it('decodes again in f32 where f16 gave no numbers, and stops where f32 gives none either', async () => {
      const gpu = await open.gpu();
      const source = randomNewbie();
      const config = parseAutoencoderConfig(await source.config('vae'));
      const store = await source.weights('vae');
      const grid = { h: 4, w: 6, C: 4 };
      /** The first `bad` times that they are read, the weights make what is no number. */
      const weights = (bad: number): WeightSource => {
        let times = 0;
        return {
          info: (name) => store.info(name),
          read: async (name) => {
            const values = await store.read(name);
            return name === 'decoder.conv_out.bias' && times++ < bad ? values.fill(NaN) : values;
          },
        };
      };
      const decoded = async (bad: number) => {
        let again = 0;
        const engine = { ...engineOf(gpu), precision: 'f16' as const };
        const latent = Float32Array.from({ length: 96 }, (_, i) => seeded('latent', i));
        const picture = await decodePicture(
          engine,
          weights(bad),
          config,
          { latent, grid },
          { onDecodeInF32: () => again++ },
        );
        picture.destroy();
        return { again, data: picture.data };
      };
      const whole = await decoded(0);
      expect(whole.again).toBe(0);
      const { again, data } = await decoded(1);
      expect(again).toBe(1);
      expect(furthest(data, whole.data)).toBeLessThan(0.02);
      await expect(decoded(2)).rejects.toMatchObject({ code: 'run/non-finite' });
    });

    it('decodes in tiles that join without a seam, and in one tile as a whole', async () => {
      const gpu = await open.gpu();
      const size = { width: 48, height: 40 };
      const whole = await pictureOf(gpu, size, { decode: { tiling: 'never' } });
      const inTiles = (tile: number, stride: number): Promise<Raster> => {
        const span = { tile, stride };
        return pictureOf(gpu, size, { decode: { tiling: { rows: span, columns: span } } });
      };
      expect(await inTiles(24, 16)).toEqual(whole);
      const tiled = await inTiles(12, 8);
      expect(tiled).not.toEqual(whole);
      // Steps between neighbours where tiles meet are no larger than elsewhere in the whole.
      const seams = [8, 16].map((x) => step(tiled, 2 * x));
      const usual = Math.max(...Array.from({ length: 47 }, (_, x) => step(whole, x + 1)));
      for (const seam of seams) expect(seam).toBeLessThan(1.5 * usual);
      expect(rootMeanSquare(tiled, whole)).toBeLessThan(0.1);
    });
  },
);

/** The decoder of a tiny autoencoder of four channels, of random weights, its layers called by their numbers. */
function tinyDecoder(): Promise<WeightStore> {
  const config = { width: 8, latentChannels: 4, pool: false };
  const graph = new Graph({ precision: 'f32' });
  taesdDecoder(config)(new Scope(graph).child('decoder'));
  const tensors = [...checkpointWeights(graph)].map(([key, { source }]) => {
    const shape = source.kind === 'weight' ? [...source.stored] : [];
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, (_, i) => seeded(key, i) / 8);
    return [key.replace('decoder.', ''), { dtype: 'F32', shape, data }] as const;
  });
  return WeightStore.open([bytesSource(writeSafetensors(tensors))], renameHalf);
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(b).reduce((most, value, i) => Math.max(most, Math.abs((a[i] ?? NaN) - value)), 0);

const at = ({ width, data }: Raster, x: number, y: number): number =>
  data[3 * (y * width + x)] ?? NaN;

/** Mean difference between the columns before and at x. */
const step = (picture: Raster, x: number): number => {
  const rows = Array.from({ length: picture.height }, (_, y) => y);
  const sum = rows.reduce((s, y) => s + Math.abs(at(picture, x, y) - at(picture, x - 1, y)), 0);
  return sum / rows.length;
};

const rootMeanSquare = (a: Raster, b: Raster): number =>
  Math.sqrt(
    a.data.reduce((sum, value, i) => sum + (value - (b.data[i] ?? NaN)) ** 2, 0) / a.data.length,
  );

describe('a picture that is to cover another size', () => {
  it('loses what hangs over, on both sides alike', () => {
    const [wide, high] = [
      { width: 6, height: 2 },
      { width: 2, height: 8 },
    ];
    expect(middleOf(wide, { width: 2, height: 2 })).toEqual({ x: 2, y: 0, width: 2, height: 2 });
    expect(middleOf(high, { width: 4, height: 4 })).toEqual({ x: 0, y: 3, width: 2, height: 2 });
  });
});
