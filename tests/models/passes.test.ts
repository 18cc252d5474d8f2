/** Passes change how a network is computed and nothing about what it computes. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { add } from '../../src/engine/graph/ops/elementwise.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { timestepSinusoid } from '../../src/engine/kernels/rope.ts';
import type { WanConfig } from '../../src/engine/models/wan/config.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, runGraph } from '../helpers/graph.ts';

const SIZE = [1, 4, 4] as const;

const configOf = (layers: number): WanConfig =>
  parseWanConfig({
    ...{ patch_size: [1, 2, 2], num_attention_heads: 2, attention_head_dim: 32 },
    ...{ in_channels: 4, out_channels: 4, text_dim: 8, freq_dim: 32, ffn_dim: 64 },
    num_layers: layers,
    image_dim: 8,
  });

const fill = (name: string, count: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => scale * seeded(name, i));

function weightsOf(graph: Graph): WeightSource {
  const shapeOf = (key: string) => {
    const source = checkpointWeights(graph).get(key)?.source;
    return source?.kind === 'weight' ? source.stored : [];
  };
  return {
    info: (key) => ({ shape: shapeOf(key) }),
    read: (key) => {
      const length = shapeOf(key).reduce((a, b) => a * b, 1);
      const values = fill(key, length, 0.3);
      return Promise.resolve(/norm.*weight$/.test(key) ? values.map((v) => 1 + v) : values);
    },
  };
}

/** A guided step: the network with two texts, on the same latent at the same time. */
function guided(gpu: Gpu, config: WanConfig): Graph {
  const graph = new Graph({ precision: 'f32' });
  const root = new Scope(graph);
  const [F, H, W] = SIZE;
  const latent = given(gpu, graph, 'latent', fill('latent', F * H * W * 4), [F, H, W, 4]);
  const time = graph.constant(
    'time',
    [...timestepSinusoid(500, 32), ...timestepSinusoid(0, 32)],
    [2, 32],
  );
  const [network, contextOf] = [wanTransformer(config)(root), wanContext(config)(root)];
  const image = given(gpu, graph, 'image', fill('image', 24), [3, 8]);
  const [a, b] = ['one', 'other'].map((name) => {
    const text = given(gpu, graph, name, fill(name, 40), [5, 8]);
    return network({
      latents: [latent],
      time,
      rowsPerGroup: 2,
      context: contextOf({ text, image }),
    });
  });
  if (!a || !b) throw new Error('two velocities');
  graph.result('velocity', add(a, b));
  return graph;
}

describe.each(testGpus())('passes over a guided Wan step on $name', ({ gpu: open }) => {
  it('keep its values', async () => {
    const gpu = await open();
    const config = configOf(2);
    const [plain, fused] = [guided(gpu, config), guided(gpu, config)];
    const before = fused.nodes.length;
    fuse(fused);
    expect(fused.nodes.length).toBeLessThan(0.6 * before);
    expect(fused.nodes.some(({ attrs }) => (attrs as { planes?: number }).planes === 3)).toBe(true);
    expect(fused.nodes.some(({ attrs }) => (attrs as { planes?: number }).planes === 2)).toBe(true);
    const { velocity: want = new Float32Array() } = await runGraph(gpu, plain, weightsOf(plain));
    const { velocity: got = new Float32Array() } = await runGraph(gpu, fused, weightsOf(fused));
    const most = want.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    const worst = got.reduce((a, v, i) => Math.max(a, Math.abs(v - (want[i] ?? NaN))), 0);
    expect(most).toBeGreaterThan(0.1);
    expect(worst / most).toBeLessThan(1e-5);
  });

  it('compute once what does not depend on the text', async () => {
    const gpu = await open();
    const graph = guided(gpu, configOf(2));
    fuse(graph);
    const rotations = graph.nodes.filter(({ op }) => op.name === 'rope');
    expect(rotations.length).toBe(3); // the first block's is shared
  });
});
