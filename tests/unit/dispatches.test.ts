/** How many dispatches a block of each Wan transformer takes after all passes. */
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import type { BlockContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { Scope } from '../../src/engine/nn/module.ts';

/** Widths of the released models; values stand in for tensors that no one reads here. */
const MODELS = {
  'Wan 2.1 1.3B': { heads: 12, ffn_dim: 8960, groups: 1, image: false },
  'Wan 2.1 14B, from a picture': { heads: 40, ffn_dim: 13824, groups: 1, image: true },
  'Wan 2.2 5B': { heads: 24, ffn_dim: 14336, groups: 2, image: false },
} as const;

function dispatches(name: keyof typeof MODELS, layers: number): string[] {
  const { heads, ffn_dim, groups, image } = MODELS[name];
  const config = parseWanConfig({
    ...{ patch_size: [1, 2, 2], num_attention_heads: heads, attention_head_dim: 128 },
    ...{ in_channels: 16, out_channels: 16, text_dim: 64, freq_dim: 256, ffn_dim },
    num_layers: layers,
    ...(image && { image_dim: 64 }),
  });
  const graph = new Graph({ precision: 'f16' });
  const held = (rows: number) =>
    graph.constant('held', { length: rows * config.width }, [rows, config.width], 'f16');
  const own = (): BlockContext => ({
    ...{ k: held(7), v: held(7) },
    image: image ? { k: held(3), v: held(3) } : undefined,
  });
  const velocity = wanTransformer(config)(new Scope(graph))({
    latents: [graph.constant('latent', { length: 16 * 16 * 2 }, [2, 4, 4, 16])],
    time: graph.constant('time', { length: groups * 256 }, [groups, 256]),
    rowsPerGroup: 4,
    context: Array.from({ length: layers }, own),
  });
  graph.result('velocity', velocity);
  fuse(graph, { maxBindingBytes: 2 ** 30 });
  return graph.nodes.flatMap((node) => node.op.lower(node).map(({ kernel }) => kernel.name));
}

describe('dispatches of a block', () => {
  it.each([
    ['Wan 2.1 1.3B', 13],
    ['Wan 2.1 14B, from a picture', 14],
    ['Wan 2.2 5B', 13],
  ] as const)('%s: %i', (name, want) => {
    const [one, two, three] = [2, 3, 4].map((layers) => dispatches(name, layers));
    const each = (three?.length ?? 0) - (two?.length ?? 0);
    expect((two?.length ?? 0) - (one?.length ?? 0)).toBe(each);
    expect(each, three?.slice(one?.length).join(', ') ?? '').toBe(want);
  });
});
