import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { attention } from '../../src/engine/graph/ops/attention.ts';
import { add } from '../../src/engine/graph/ops/elementwise.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { unfuseAttention } from '../../src/engine/graph/passes/plain-attention.ts';
import { compare, seeded } from '../../src/engine/kernels/case.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, runGraph } from '../helpers/graph.ts';

const fill = (name: string, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 2 * seeded(name, i));

for (const { name, gpu: open } of testGpus()) {
  describe(`attention taken apart on ${name}`, () => {
    const run = async (plain: boolean, groups = 1) => {
      const gpu = await open();
      const graph = new Graph({ precision: 'f32' });
      const [rows, keys] = [8 * groups, 16 * groups];
      const q = given(gpu, graph, 'q', fill('q', rows * 32), [groups, 8, 32]);
      const k = given(gpu, graph, 'k', fill('k', keys * 16), [keys, 16]);
      const v = given(gpu, graph, 'v', fill('v', keys * 16), [keys, 16]);
      const y = attention(q, k, v, { heads: 4, kvHeads: 2, lastKeyBias: 1.5, groups });
      graph.result('y', add(y, q));
      const apart = plain ? unfuseAttention(graph) : 0;
      fuse(graph);
      const ops = graph.nodes.map(({ op }) => op.name);
      return { apart, ops, y: (await runGraph(gpu, graph))['y'] ?? new Float32Array() };
    };

    it.each([1, 3])('gives the same values as the fused kernel in groups (%i)', async (groups) => {
      // Shared heads and the bias of the last key included.
      const [fused, plain] = [await run(false, groups), await run(true, groups)];
      expect(fused.ops).toContain('attention');
      expect(plain.apart).toBe(1);
      expect(plain.ops).not.toContain('attention');
      expect(plain.ops).toContain('plain-attention');
      expect(compare(plain.y, fused.y, { abs: 1e-5, rel: 1e-5 })).toBe('');
    });
  });
}
