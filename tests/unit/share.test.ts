import { describe, expect, it } from 'vitest';
import type { DeviceTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph, offsetOf, rootOf } from '../../src/engine/graph/graph.ts';
import type { Inputs, Op, Tensor } from '../../src/engine/graph/graph.ts';
import { attention, rope } from '../../src/engine/graph/ops/attention.ts';
import { add, silu } from '../../src/engine/graph/ops/elementwise.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { shareResults } from '../../src/engine/graph/passes/share.ts';

const update: Op<Inputs> = { name: 'update', lower: () => [] };

const held = (buffer: object, shape: readonly number[]): DeviceTensor => ({
  ...{ label: 'held', shape, dtype: 'f32', offset: 0 },
  buffer: buffer as GPUBuffer,
});

const given = (graph: Graph, shape: readonly number[] = [4, 8]): Tensor =>
  graph.external(held({}, shape));

describe('sharing', () => {
  it('computes once what is asked for twice, through aliases too', () => {
    const graph = new Graph({ precision: 'f32' });
    const x = given(graph);
    const [a, b] = [silu(x), silu(x)];
    const [c, d] = [silu(graph.alias(a, [1, 4, 8])), silu(graph.alias(b, [1, 4, 8]))];
    graph.result('c', c);
    graph.result('d', graph.alias(d, [4, 8]));
    expect(shareResults(graph)).toBe(2);
    expect(graph.nodes.map(({ outputs }) => outputs[0])).toEqual([a, c]);
    const d2 = graph.results.get('d');
    expect(d2 && rootOf(d2)).toBe(c);
  });

  it('takes constants of equal values for one', () => {
    const graph = new Graph({ precision: 'f32' });
    const x = given(graph);
    const table = (last: number): Tensor =>
      graph.constant('table', [...Array.from({ length: 31 }, () => 1), last], [4, 8]);
    graph.result('y', add(add(x, table(2)), add(x, table(2))));
    graph.result('z', add(x, table(3)));
    expect(shareResults(graph)).toBe(1);
  });

  it('keeps apart what differs in an attribute, a type or an input', () => {
    const graph = new Graph({ precision: 'f16' });
    const [x, y] = [given(graph, [16, 8]), given(graph, [16, 8])];
    const w = graph.weight('w', [8, 8]);
    normalise(x, 'rms', 1e-6);
    normalise(x, 'rms', 1e-5);
    normalise(y, 'rms', 1e-6);
    matmulWeight(x, w);
    matmulWeight(x, w, undefined, 'f32');
    expect(shareResults(graph)).toBe(0);
    expect(graph.nodes.length).toBe(5);
  });

  it('reads again what was updated in between, and nothing else', () => {
    const graph = new Graph({ precision: 'f32' });
    const buffer = {};
    const [state, other] = [graph.external(held(buffer, [4, 8])), given(graph)];
    const [before, kept] = [silu(state), silu(other)];
    graph.effect(update, { state: graph.external(held(buffer, [4, 8])) }, null);
    const [after, same] = [silu(state), silu(other)];
    Object.entries({ before, kept, after, same }).forEach(([name, t]) => graph.result(name, t));
    expect(shareResults(graph)).toBe(1);
    expect(graph.results.get('after')).toBe(after);
    expect(graph.results.get('same')).toBe(kept);
  });
});

describe('projections that read the same rows', () => {
  /** Queries, keys and values of 8 rows, 64 wide, in f32: 2048 bytes each. */
  function projections(options: { normed: boolean; bytes?: number }): Graph {
    const graph = new Graph({ precision: 'f32' });
    const x = silu(given(graph, [8, 64]));
    const project = (name: string): Tensor =>
      matmulWeight(x, graph.weight(`${name}.weight`, [64, 64]), graph.weight(`${name}.bias`, [64]));
    const table = graph.constant('table', { length: 8 * 32 }, [8, 32]);
    const turned = (t: Tensor, name: string): Tensor =>
      rope(
        options.normed ? normalise(t, 'rms', 1e-6, graph.weight(`norm_${name}`, [64])) : t,
        table,
        { heads: 2 },
      );
    const [q, k, v] = [project('q'), project('k'), project('v')];
    graph.result('y', attention(turned(q, 'q'), turned(k, 'k'), v, { heads: 2 }));
    fuse(graph, { maxBindingBytes: options.bytes ?? 2 ** 27 });
    return graph;
  }

  it.each([true, false])('become one, and their rotations too (normed: %s)', (normed) => {
    const graph = projections({ normed });
    expect(graph.nodes.map(({ op }) => op.name)).toEqual([
      'elementwise',
      'linear',
      'rope',
      'attention',
    ]);
    const weights = ['q.weight + k.weight + v.weight', 'q.bias + k.bias + v.bias'];
    expect([...graph.weights.keys()].toSorted((a, b) => a.localeCompare(b))).toEqual(
      [...(normed ? ['norm_q + norm_k'] : []), ...weights].toSorted((a, b) => a.localeCompare(b)),
    );
    const { q, k, v } = graph.nodes[3]?.inputs ?? {};
    expect([q, k, v].map((t) => t && offsetOf(t))).toEqual([0, 2048, 4096]);
    expect(q && k && rootOf(q) === rootOf(k)).toBe(true);
  });

  it('stay apart where a device cannot bind their weights at once', () => {
    const graph = projections({ normed: true, bytes: 3 * 64 * 64 * 4 - 1 });
    expect(graph.nodes.filter(({ op }) => op.name === 'linear').length).toBe(3);
    expect(graph.weights.has('k.weight')).toBe(true);
  });
});

describe('parts of a tensor', () => {
  it('start where any device binds, and end inside', () => {
    const graph = new Graph({ precision: 'f32' });
    const x = given(graph, [4, 64]);
    expect(offsetOf(graph.part(graph.part(x, 256, [3, 64]), 512, [1, 64]))).toBe(768);
    for (const [at, rows] of [
      [128, 1],
      [512, 3],
    ] as const) {
      expect(() => graph.part(x, at, [rows, 64])).toThrow(
        expect.objectContaining({ code: 'graph/shape' }),
      );
    }
  });

  it('stack only weights of one type and width', () => {
    const graph = new Graph({ precision: 'f16' });
    const [a, b] = [graph.weight('a', [4, 8]), graph.weight('b', [2, 8])];
    expect(graph.stack([a, b])).toMatchObject({ shape: [6, 8], dtype: 'f16', label: 'a + b' });
    expect(graph.stack([a, b])).toBe(graph.stack([a, b]));
    for (const other of [graph.weight('c', [4, 12]), graph.weight('d', [8]), silu(a)]) {
      expect(() => graph.stack([a, other])).toThrow(
        expect.objectContaining({ code: 'graph/shape' }),
      );
    }
  });
});
