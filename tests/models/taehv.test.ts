import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { readTensor, sizeOf } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { TaehvConfig } from '../../src/engine/models/tae/taehv.ts';
import {
  framesPerLatent,
  taehvDecoder,
  taehvEncoder,
  trimmedFrames,
} from '../../src/engine/models/tae/taehv.ts';
import type { StreamPart } from '../../src/engine/nn/histories.ts';
import { Histories } from '../../src/engine/nn/histories.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';

const config: TaehvConfig = {
  ...{ patch: 1, latentChannels: 4, encoderWidth: 4, decoderWidths: [8, 6, 4, 4] },
  ...{ pools: [2, 2, 1], grows: [1, 2, 2] },
};

type Half = 'encoder' | 'decoder';

/** Shapes of one half's weights as the modules ask for them, with seeded values. */
const valuesOf = (key: string, shape: readonly number[]): Float32Array =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3);

/** Runs one half over a clip in chunks of the given lengths, or as a whole; frames end to end. */
async function run(gpu: Gpu, half: Half, frames: readonly number[], x: Float32Array) {
  const histories = new Histories(gpu, 'f32');
  const channels = half === 'encoder' ? 3 : config.latentChannels;
  const [h, w] = half === 'encoder' ? [16, 24] : [2, 3];
  const span = h * w * channels;
  const outputs: number[] = [];
  let from = 0;
  for (const [index, count] of frames.entries()) {
    const part: StreamPart = frames.length === 1 ? 'image' : index === 0 ? 'first' : 'next';
    const graph = new Graph({ precision: 'f32' });
    const scope = new Scope(graph, half);
    const network = (half === 'encoder' ? taehvEncoder : taehvDecoder)(
      config,
      histories.stream(part),
    )(scope);
    const values = x.subarray(from * span, (from + count) * span);
    graph.result('y', network(graph.constant('x', values, [count, h, w, channels])));
    const stored = new Map(
      [...graph.weights].map(([key, { source }]) => [
        key,
        source.kind === 'weight' ? source.stored : [],
      ]),
    );
    const weights = new WeightSet(gpu, {
      info: (key) => ({ shape: stored.get(key) ?? [] }),
      read: async (key) => valuesOf(key, stored.get(key) ?? []),
    });
    await weights.load(graph);
    const recording = await record(graph, {
      ...{ gpu, pipelines: pipelinesOf(gpu) },
      weights: (key) => weights.get(key),
    });
    await new Executor(gpu).replay(recording);
    outputs.push(...(await readTensor(gpu.device, recording.result('y'))));
    recording.destroy();
    weights.destroy();
    from += count;
  }
  histories.destroy();
  return outputs;
}

describe('sizes of TAEHV', () => {
  it('say how many frames a latent stands for and how many are trimmed', () => {
    expect([framesPerLatent(config), trimmedFrames(config)]).toEqual([4, 3]);
  });
});

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))('TAEHV on $name', (open) => {
  it.each([
    ['decoder', 4, [1, 2, 1]],
    ['encoder', 12, [4, 8]],
  ] as const)('gives in chunks what it gives at once: %s', async (half, total, chunks) => {
    const gpu = await open.gpu();
    const size = half === 'encoder' ? 16 * 24 * 3 : 2 * 3 * config.latentChannels;
    const x = Float32Array.from({ length: total * size }, (_, i) => seeded('x', i));
    const whole = await run(gpu, half, [total], x);
    const parts = await run(gpu, half, chunks, x);
    expect(parts).toHaveLength(whole.length);
    const worst = parts.reduce((most, v, i) => Math.max(most, Math.abs(v - (whole[i] ?? NaN))), 0);
    expect(worst).toBeLessThan(1e-5);
    expect(Math.max(...whole.map(Math.abs))).toBeGreaterThan(0.01);
  });
});
