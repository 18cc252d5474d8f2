import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { silu } from '../../src/engine/graph/ops/elementwise.ts';
import { groupNorm } from '../../src/engine/graph/ops/group-norm.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, runGraph } from '../helpers/graph.ts';
import { compare, seeded } from '../../src/engine/kernels/case.ts';

const [T, H, W, C, G] = [2, 9, 15, 30, 3];
const P = H * W;

/** (x − mean) / √(variance + eps) over each group, from the definition. */
function reference(x: Float32Array, frames: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let n = 0; n < frames; n++) {
    for (let g = 0; g < G; g++) {
      const places = Array.from({ length: x.length }, (_, i) => i).filter(
        (i) => Math.floor(i / (x.length / frames)) === n && Math.floor((i % C) / (C / G)) === g,
      );
      const mean = places.reduce((a, i) => a + (x[i] ?? 0), 0) / places.length;
      const variance = places.reduce((a, i) => a + ((x[i] ?? 0) - mean) ** 2, 0) / places.length;
      for (const i of places) y[i] = ((x[i] ?? 0) - mean) / Math.sqrt(variance + 1e-5);
    }
  }
  return y;
}

describe.each(testGpus())('group norm on $name', (open) => {
  it.each([
    ['each frame', false],
    ['all frames', true],
  ])('over %s agrees with its definition, the mean far from zero', async (_, acrossFrames) => {
    const gpu = await open.gpu();
    const x = Float32Array.from({ length: T * P * C }, (_v, i) => 100 + seeded('x', i));
    const graph = new Graph({ precision: 'f32' });
    const options = { groups: G, eps: 1e-5, acrossFrames };
    const y = silu(groupNorm(given(gpu, graph, 'x', x, [T, H, W, C]), options));
    graph.result('y', y);
    expect(fuse(graph)).toBe(1);
    const want = reference(x, acrossFrames ? 1 : T).map((v) => v / (1 + Math.exp(-v)));
    const got = (await runGraph(gpu, graph))['y'] ?? new Float32Array();
    expect(compare(got, want, { abs: 1e-4, rel: 1e-4 })).toBe('');
  });

  it('refuses groups that do not divide the channels', async () => {
    const gpu = await open.gpu();
    const graph = new Graph({ precision: 'f32' });
    const x = given(gpu, graph, 'x', new Float32Array(8), [1, 1, 1, 8]);
    expect(() => groupNorm(x, { groups: 3, eps: 1e-5 })).toThrow(
      expect.objectContaining({ code: 'graph/shape', have: 8, need: 3 }),
    );
  });
});
