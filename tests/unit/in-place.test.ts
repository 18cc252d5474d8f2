import { describe, expect, it } from 'vitest';
import { Graph, offsetOf, rootOf } from '../../src/engine/graph/graph.ts';
import type { Inputs, Op, Tensor } from '../../src/engine/graph/graph.ts';
import { attention, rope } from '../../src/engine/graph/ops/attention.ts';
import { coveredBy } from '../../src/engine/graph/over.ts';
import { inPlace } from '../../src/engine/graph/passes/in-place.ts';
import { planMemory } from '../../src/engine/graph/plan.ts';

const opaque: Op<Inputs> = { name: 'opaque', lower: () => [] };
const ROWS = 64;
const WIDTH = 8;

/** Queries, keys and values that one node made, as attention reads them once the first two are turned. */
function setting(pairing: 'interleaved' | 'half' = 'interleaved') {
  const graph = new Graph({ precision: 'f32' });
  const table = graph.constant('table', new Float32Array(ROWS * WIDTH), [ROWS, WIDTH]);
  const qkv = graph.add(opaque, {}, undefined, [3, ROWS, WIDTH]);
  const plane = (i: number, from: Tensor): Tensor =>
    graph.part(from, 4 * i * ROWS * WIDTH, [ROWS, WIDTH]);
  const turned = rope(plane(0, qkv), table, { heads: 1, pairing });
  const keys = rope(plane(1, qkv), table, { heads: 1, pairing });
  return { graph, qkv, plane, turned, keys };
}

const BYTES = 4 * ROWS * WIDTH;

describe('the pass that writes over what is read', () => {
  it('turns queries and keys where they lie, and their readers follow', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    const before = planMemory(graph, 2 ** 30).lowerBoundBytes;
    expect(inPlace(graph)).toBe(2);
    const [, first, second, last] = graph.nodes;
    for (const [i, node] of [first, second].entries()) {
      const [y] = node?.outputs ?? [];
      expect(y && rootOf(y)).toBe(qkv);
      expect(y && offsetOf(y)).toBe(i * BYTES);
    }
    expect(last?.inputs).toMatchObject({ q: first?.outputs[0], k: second?.outputs[0] });
    expect(first?.op.lower(first).map((call) => [call.kernel.name, coveredBy(call)])).toEqual([
      ['qk-norm-rope', 'x'],
    ]);
    expect(planMemory(graph, 2 ** 30).lowerBoundBytes).toBe(before - 2 * BYTES);
  });

  it('leaves alone what is read as it was', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    graph.add(opaque, { x: plane(0, qkv) }, undefined, [1, 4]);
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    expect(inPlace(graph)).toBe(1);
    expect(graph.nodes[1]?.outputs).toEqual([turned]);
  });

  it('leaves alone what is kept', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    graph.result('qkv', qkv);
    expect(inPlace(graph)).toBe(0);
  });

  it('leaves alone pairs that lie apart, and memory of others', () => {
    const { graph, qkv, plane, turned, keys } = setting('half');
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    expect(inPlace(graph)).toBe(0);
    const own = new Graph({ precision: 'f32' });
    const x = own.constant('x', new Float32Array(32), [4, 8]);
    const angles = own.constant('angles', new Float32Array(32), [4, 8]);
    own.result('y', rope(x, angles, { heads: 1 }));
    expect(inPlace(own)).toBe(0);
  });
});
