import { describe, expect, it } from 'vitest';
import { readTensor } from '../../src/engine/gpu/tensor.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { attention } from '../../src/engine/graph/ops/attention.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { ropeTable3d, timestepSinusoid } from '../../src/engine/kernels/rope.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import {
  borrowContext,
  keepContext,
  trimText,
  wanContext,
} from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, pipelinesOf, runGraph } from '../helpers/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';

const config = parseWanConfig({
  patch_size: [1, 2, 2],
  num_attention_heads: 2,
  attention_head_dim: 12,
  in_channels: 6,
  out_channels: 4,
  text_dim: 10,
  freq_dim: 32,
  ffn_dim: 20,
  num_layers: 2,
  image_dim: 7,
});

const [F, H, W] = [3, 4, 6];
const TOKENS_PER_FRAME = 6;

const fill = (name: string, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => seeded(name, i));

/** Seeded values for every weight that the graph asks for, small enough to keep activations near one. */
const weightsOf = (graph: Graph): WeightSource => {
  const stored = (key: string): readonly number[] => {
    const source = checkpointWeights(graph).get(key)?.source;
    return source?.kind === 'weight' ? source.stored : [];
  };
  return {
    info: (key) => ({ shape: stored(key) }),
    read: async (key) => {
      const shape = stored(key);
      const values = fill(
        key,
        shape.reduce((a, b) => a * b, 1),
      );
      return /norm.*weight$/.test(key)
        ? values.map((v) => 1 + 0.3 * v)
        : values.map((v) => 0.4 * v);
    },
  };
};

type Variant = {
  readonly times?: readonly number[];
  readonly rowsPerGroup?: number;
  readonly text?: { values: Float32Array; rows: number; lastKeyBias: number };
  readonly split?: boolean;
};

const plainText = { values: fill('text', 50), rows: 5, lastKeyBias: 0 };
const latent = fill('latent', F * H * W * 6);

const channels = (first: number, count: number): Float32Array =>
  Float32Array.from(
    { length: F * H * W * count },
    (_, i) => latent[Math.floor(i / count) * 6 + first + (i % count)] ?? NaN,
  );

for (const { name, gpu: open } of testGpus()) {
  describe(`the Wan transformer on ${name}`, () => {
    const build = async ({
      times = [500],
      rowsPerGroup = TOKENS_PER_FRAME,
      text = plainText,
      split = false,
    }: Variant) => {
      const gpu = await open();
      const graph = new Graph({ precision: 'f32' });
      const root = new Scope(graph);
      const sinusoids = times.flatMap((t) => [...timestepSinusoid(t, config.freqDim)]);
      const parts: readonly (readonly [number, number])[] = split
        ? [
            [0, 4],
            [4, 2],
          ]
        : [[0, 6]];
      const velocity = wanTransformer(config)(root)({
        latents: parts.map(([first, count]) =>
          given(gpu, graph, 'latent', channels(first, count), [F, H, W, count]),
        ),
        time: graph.constant('time', sinusoids, [times.length, config.freqDim]),
        rowsPerGroup,
        context: wanContext(config)(root)({
          text: given(gpu, graph, 'text', text.values, [text.rows, config.textDim]),
          image: given(gpu, graph, 'image', fill('image', 21), [3, 7]),
        }),
        lastKeyBias: text.lastKeyBias,
      });
      graph.result('velocity', velocity);
      fuse(graph);
      return { gpu, graph };
    };
    const run = async (variant: Variant): Promise<Float32Array> => {
      const { gpu, graph } = await build(variant);
      return (await runGraph(gpu, graph, weightsOf(graph)))['velocity'] ?? new Float32Array();
    };
    const expectClose = (got: Float32Array, want: Float32Array): void => {
      expect(got.length).toBe(F * H * W * config.outChannels);
      expect(want.some((v) => Math.abs(v) > 0.1)).toBe(true);
      const worst = got.reduce((most, v, i) => Math.max(most, Math.abs(v - (want[i] ?? NaN))), 0);
      expect(worst).toBeLessThan(2e-5);
    };

    it('gives the same bits when a recording is replayed', async () => {
      const { gpu, graph } = await build({});
      const weights = new WeightSet(gpu, weightsOf(graph));
      await weights.load(graph);
      const recording = await record(graph, {
        gpu,
        pipelines: pipelinesOf(gpu),
        weights: (key) => weights.get(key),
      });
      const executor = new Executor(gpu);
      await executor.replay(recording);
      const first = await readTensor(gpu.device, recording.result('velocity'));
      await executor.replay(recording);
      expect(await readTensor(gpu.device, recording.result('velocity'))).toEqual(first);
      recording.destroy();
      weights.destroy();
    });

    it('reads two rows of timesteps as it reads one for each token', async () => {
      const perToken = Array.from({ length: F * TOKENS_PER_FRAME }, (_, i) =>
        i < TOKENS_PER_FRAME ? 0 : 700,
      );
      const grouped = await run({ times: [0, 700] });
      expectClose(grouped, await run({ times: perToken, rowsPerGroup: 1 }));
      const single = await run({ times: [700] });
      expect(Math.max(...single.map((v, i) => Math.abs(v - (grouped[i] ?? NaN))))).toBeGreaterThan(
        1e-3,
      );
    });

    it('counts one row of padding for all of them', async () => {
      const padded = new Float32Array(12 * config.textDim);
      padded.set(plainText.values);
      const trimmed = trimText(plainText.values, config.textDim, 12);
      expect(trimmed.rows).toBe(6);
      expectClose(
        await run({ text: trimmed }),
        await run({ text: { values: padded, rows: 12, lastKeyBias: 0 } }),
      );
    });

    it('takes latents in parts as it takes them joined', async () => {
      expectClose(await run({ split: true }), await run({}));
    });

    it('attends to a context kept from another graph', async () => {
      const gpu = await open();
      const first = new Graph({ precision: 'f32' });
      const kept = wanContext(config)(new Scope(first))({
        text: given(gpu, first, 'text', plainText.values, [5, config.textDim]),
        image: given(gpu, first, 'image', fill('image', 21), [3, 7]),
      });
      keepContext(first, kept);
      fuse(first);
      const weights = new WeightSet(gpu, weightsOf(first));
      await weights.load(first);
      const recording = await record(first, {
        gpu,
        pipelines: pipelinesOf(gpu),
        weights: (key) => weights.get(key),
      });
      await new Executor(gpu).replay(recording);
      const second = new Graph({ precision: 'f32' });
      const velocity = wanTransformer(config)(new Scope(second))({
        latents: [given(gpu, second, 'latent', latent, [F, H, W, 6])],
        time: second.constant('time', timestepSinusoid(500, config.freqDim), [1, config.freqDim]),
        rowsPerGroup: TOKENS_PER_FRAME,
        context: borrowContext(second, config, (key) => recording.result(key)),
      });
      second.result('velocity', velocity);
      fuse(second);
      const { velocity: got = new Float32Array() } = await runGraph(gpu, second, weightsOf(second));
      expectClose(got, await run({}));
      recording.destroy();
      weights.destroy();
    });
  });
}

describe('positions and timesteps', () => {
  it('turn pair i of n by position times 10000^(-i/n), frames first', () => {
    const table = ropeTable3d([2, 2, 3], 16); // pairs: 4 for frames, 2 for rows, 2 for columns
    const token = 1 * 6 + 1 * 3 + 2;
    const angles = [1, 10000 ** -0.25, 0.01, 10000 ** -0.75, 1, 0.01, 2, 0.02];
    angles.forEach((angle, pair) => {
      expect(table[token * 16 + 2 * pair]).toBeCloseTo(Math.cos(angle), 6);
      expect(table[token * 16 + 2 * pair + 1]).toBeCloseTo(Math.sin(angle), 6);
    });
  });

  it('refuse a grid longer than the model was made for', () => {
    expect(() => ropeTable3d([1, 1, 1025], 16, { limit: 1024 })).toThrow(
      expect.objectContaining({ code: 'graph/rope', have: 1025, need: 1024 }),
    );
  });

  it('are cosines first', () => {
    const [first, , third] = timestepSinusoid(3, 4);
    expect(first).toBeCloseTo(Math.cos(3), 6);
    expect(third).toBeCloseTo(Math.sin(3), 6);
  });
});

describe('attention', () => {
  it.each([1028, 2048])('refuses heads of %i', (width) => {
    const graph = new Graph({ precision: 'f32' });
    const x = graph.constant('x', new Float32Array(2 * width), [2, width]);
    expect(() => attention(x, x, x, { heads: 1 })).toThrow(
      expect.objectContaining({ code: 'graph/head-width', have: width }),
    );
  });
});
