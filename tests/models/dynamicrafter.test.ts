/** DynamiCrafter from a PyTorch checkpoint to frames, on a model of a few thousand weights. */
import { expect, it } from 'vitest';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { generateDynamiCrafter } from '../../src/engine/models/dynamicrafter/pipeline.ts';
import type { DynamiCrafterRequest } from '../../src/engine/models/dynamicrafter/request.ts';
import type { ClipOptions } from '../../src/engine/models/unet3d/pipeline-types.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
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
const source = {
  params: TINY,
  weights: (rename?: Parameters<typeof WeightStore.open>[1]) =>
    WeightStore.open([bytesSource(bytes)], rename),
};

async function frames(
  engine: Engine,
  request: DynamiCrafterRequest,
  options: ClipOptions = {},
): Promise<number[][]> {
  const all: number[][] = [];
  for await (const { data } of generateDynamiCrafter(engine, source, request, options))
    all.push([...data]);
  return all;
}

// One adapter: the kernels have their own tests on all of them.
const [first] = testGpus();

it(`makes clips on ${first?.name}`, async () => {
  const gpu = await first?.gpu();
  if (!gpu) throw new Error('no adapter');
  const engine: Engine = {
    gpu,
    pipelines: new PipelineCache(gpu.device),
    executor: new Executor(gpu),
    precision: 'f32',
  };
  const stages = new Set<string>();
  const video = await frames(engine, REQUEST, { onProgress: ({ stage }) => stages.add(stage) });
  expect(video).toHaveLength(3);
  expect(video.flat()).toHaveLength(3 * 3 * SIDE * SIDE);
  expect(video.flat().every((value) => value >= 0 && value <= 1)).toBe(true);
  expect([...stages]).toEqual(['picture', 'denoise', 'decode']);
  expect(await frames(engine, REQUEST), 'the same seed').toEqual(video);
  expect(await frames(engine, { ...REQUEST, seed: 6 }), 'another seed').not.toEqual(video);

  const loop = await frames(engine, { ...REQUEST, mode: 'loop' });
  expect(loop).toHaveLength(2);
  const joined = { ...REQUEST, mode: 'interpolation', lastImage: picture(2) } as const;
  expect(await frames(engine, joined)).toHaveLength(3);
  const pulled = await frames(engine, { ...REQUEST, imageGuidance: 2 });
  expect(pulled).not.toEqual(video);

  const stop = new AbortController();
  const stopped = frames(engine, REQUEST, {
    signal: stop.signal,
    onProgress: ({ stage }) => {
      if (stage === 'denoise') stop.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
}, 240_000);
