/** DynamiCrafter from a PyTorch checkpoint to frames, on a model of a few thousand weights. */
import { expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { openDynamiCrafter } from '../../src/engine/models/dynamicrafter/open.ts';
import { generateDynamiCrafter } from '../../src/engine/models/dynamicrafter/pipeline.ts';
import type { DynamiCrafterRequest } from '../../src/engine/models/dynamicrafter/request.ts';
import type { DynamiCrafterSource } from '../../src/engine/models/dynamicrafter/see.ts';
import type { ClipOptions } from '../../src/engine/models/unet3d/clip-pipeline.ts';
import { residentEngine } from '../../src/engine/resident.ts';
import type { RunMeasures } from '../../src/engine/resident.ts';
import type { Checkpoint } from '../../src/engine/sampling/checkpoint.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { testGpus } from '../helpers/devices.ts';
import { TINY, tinyCheckpoint } from '../helpers/dynamicrafter-model.ts';

const SIDE = 8;
const wave = (length: number, phase: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(0.7 * i + phase));
const picture = (phase: number) => ({
  ...{ width: SIDE, height: SIDE, channels: 3 },
  data: wave(SIDE * SIDE * 3, phase),
});

const REQUEST: DynamiCrafterRequest = {
  prompt: [],
  image: picture(0),
  steps: 3,
  seed: 5,
  seen: {
    text: wave(77 * 8, 1),
    emptyText: wave(77 * 8, 2),
    picture: wave(5 * 12, 3),
    emptyPicture: wave(5 * 12, 4),
  },
};

const bytes = tinyCheckpoint();
const folder = {
  paths: ['model.ckpt', 'readme.md'],
  open: (path: string) => Promise.resolve(path === 'model.ckpt' ? bytesSource(bytes) : undefined),
};

async function frames(
  source: DynamiCrafterSource,
  request: DynamiCrafterRequest,
  run: ClipOptions & RunMeasures & { readonly gpu: Gpu },
): Promise<number[][]> {
  const engine = { ...(await residentEngine(run.gpu, run)), precision: 'f32' } as const;
  const all: number[][] = [];
  for await (const { data } of generateDynamiCrafter(engine, source, request, run))
    all.push([...data]);
  return all;
}

// One adapter: the kernels have their own tests on all of them.
const [first] = testGpus();

it(`makes clips on ${first?.name}`, async () => {
  const gpu = await first?.gpu();
  if (!gpu) throw new Error('no adapter');
  const { source, tokens } = await openDynamiCrafter(folder, { params: TINY });
  expect(tokens, 'no tokenizer in the folder').toBeUndefined();
  const stages = new Set<string>();
  const run = { gpu };
  const of = (request: Partial<DynamiCrafterRequest>): Promise<number[][]> =>
    frames(source, { ...REQUEST, ...request }, run);
  const video = await frames(source, REQUEST, {
    ...run,
    onProgress: ({ stage }) => stages.add(stage),
  });
  expect(video).toHaveLength(3);
  expect(video.flat()).toHaveLength(3 * 3 * SIDE * SIDE);
  expect(video.flat().every((value) => value >= 0 && value <= 1)).toBe(true);
  expect([...stages]).toEqual(['picture', 'encode', 'denoise', 'decode']);
  expect(await of({}), 'the same seed').toEqual(video);
  expect(await of({ seed: 6 }), 'another seed').not.toEqual(video);
  expect(await of({ mode: 'loop' })).toHaveLength(2);
  expect(await of({ mode: 'interpolation', lastImage: picture(2) })).toHaveLength(3);
  expect(await of({ imageGuidance: 2 })).not.toEqual(video);

  const previews: number[] = [];
  const early = new AbortController();
  const ended = await frames(source, REQUEST, {
    ...run,
    finishEarly: early.signal,
    onPreview: ({ width, height, data }, done, steps) => {
      previews.push(done);
      expect([width, height, data.length, steps]).toEqual([SIDE / 2, SIDE / 2, 48, 3]);
      if (done === 1) early.abort();
    },
    onSampled: (steps) => expect(steps).toBeLessThan(3),
  });
  expect(previews.length).toBeGreaterThan(0);
  expect(ended, 'ended early').toHaveLength(3);
  expect(ended).not.toEqual(video);

  const checkpoints: Checkpoint[] = [];
  const sink = {
    due: () => true,
    save: async (checkpoint: Checkpoint) => void checkpoints.push(checkpoint),
  };
  expect(await frames(source, REQUEST, { ...run, checkpoints: sink })).toEqual(video);
  expect(checkpoints.map(({ step }) => step)).toEqual([1, 2, 3]);
  const seen = new Set<string>();
  const resumed = await frames(source, REQUEST, {
    ...run,
    ...(checkpoints[0] && { resume: checkpoints[0] }),
    onProgress: ({ stage }) => seen.add(stage),
  });
  expect(resumed, 'gone on with after the first step').toEqual(video);
  expect([...seen], 'what the checkpoint holds is not made again').toEqual(['denoise', 'decode']);

  let bytesRead = 0;
  const counted = {
    ...folder,
    open: (path: string) => {
      const whole = bytesSource(bytes);
      const read: typeof whole.read = (start, end) => {
        bytesRead += end - start;
        return whole.read(start, end);
      };
      return Promise.resolve(path === 'model.ckpt' ? { ...whole, read } : undefined);
    },
  };
  const again = await openDynamiCrafter(counted, { params: TINY });
  const kept = { ...run, keepBytes: 2 ** 30 };
  expect(await frames(again.source, REQUEST, kept)).toEqual(video);
  const once = bytesRead;
  expect(await frames(again.source, REQUEST, kept), 'weights that stayed').toEqual(video);
  expect(bytesRead, 'nothing is read a second time').toBe(once);
  expect(await frames(again.source, REQUEST, run)).toEqual(video);
  expect(bytesRead, 'all is read when nothing may stay').toBeGreaterThan(1.5 * once);

  const stop = new AbortController();
  const stopped = frames(source, REQUEST, {
    ...run,
    signal: stop.signal,
    onProgress: ({ stage }) => {
      if (stage === 'denoise') stop.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
}, 240_000);

it('needs a checkpoint', async () => {
  const empty = { paths: ['readme.md'], open: folder.open };
  await expect(openDynamiCrafter(empty, '512')).rejects.toMatchObject({ code: 'weights/folder' });
});
