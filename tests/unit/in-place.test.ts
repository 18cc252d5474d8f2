import { describe, expect, it } from 'vitest';
import { Graph, offsetOf, rootOf } from '../../src/engine/graph/graph.ts';
import type { Inputs, Op, Tensor } from '../../src/engine/graph/graph.ts';
import { attention, rope } from '../../src/engine/graph/ops/attention.ts';
import { add, addRows, silu } from '../../src/engine/graph/ops/elementwise.ts';
import { gatedResidual } from '../../src/engine/graph/ops/gate.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { coveredBy } from '../../src/engine/graph/over.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { inPlace } from '../../src/engine/graph/passes/in-place.ts';
import { planMemory } from '../../src/engine/graph/plan.ts';
import { boundTensors, shaderCode } from '../../src/engine/kernels/declare.ts';
import { gatedAdd } from '../../src/engine/kernels/gated-add.ts';
import { kernels } from '../../src/engine/kernels/index.ts';

const opaque: Op<Inputs> = { name: 'opaque', lower: () => [] };
const ROWS = 64;
const WIDTH = 8;
const SHAPE = [ROWS, WIDTH];
const BYTES = 4 * ROWS * WIDTH;

const make = (graph: Graph, inputs: Inputs = {}, shape = SHAPE): Tensor =>
  graph.add(opaque, inputs, undefined, shape);

const leastBytes = (graph: Graph): number => planMemory(graph, 2 ** 30).lowerBoundBytes;

/** Queries, keys and values that one node made, as attention reads them once the first two are turned. */
function setting(pairing: 'interleaved' | 'half' = 'interleaved') {
  const graph = new Graph({ precision: 'f32' });
  const table = graph.constant('table', new Float32Array(ROWS * WIDTH), SHAPE);
  const qkv = make(graph, {}, [3, ROWS, WIDTH]);
  const plane = (i: number, from: Tensor): Tensor => graph.part(from, i * BYTES, SHAPE);
  const turned = rope(plane(0, qkv), table, { heads: 1, pairing });
  const keys = rope(plane(1, qkv), table, { heads: 1, pairing });
  return { graph, qkv, plane, turned, keys };
}

describe('queries and keys', () => {
  it('are turned where they lie, and their readers follow', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    const before = leastBytes(graph);
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
    expect(leastBytes(graph)).toBe(before - 2 * BYTES);
  });

  it('stay where something reads them as they were', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    make(graph, { x: plane(0, qkv) }, [1, 4]);
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    expect(inPlace(graph)).toBe(1);
    expect(graph.nodes[1]?.outputs).toEqual([turned]);
  });

  it('stay where they are kept', () => {
    const { graph, qkv, plane, turned, keys } = setting();
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    graph.result('qkv', qkv);
    expect(inPlace(graph)).toBe(0);
  });

  it('stay where pairs lie apart, and where they would hold a larger whole', () => {
    const { graph, qkv, plane, turned, keys } = setting('half');
    graph.result('y', attention(turned, keys, plane(2, qkv), { heads: 1 }));
    expect(inPlace(graph)).toBe(0);
    const longer = setting();
    longer.graph.result('turned', longer.turned);
    inPlace(longer.graph);
    expect(longer.graph.nodes[1]?.outputs).toEqual([longer.turned]);
  });
});

describe('sums', () => {
  it('of a whole network have one place', () => {
    const graph = new Graph({ precision: 'f32' });
    const gate = graph.constant('gate', new Float32Array(WIDTH), [1, 1, WIDTH]);
    let h = make(graph);
    const first = h;
    for (let i = 0; i < 3; i++) h = gatedResidual(h, make(graph, { h }), gate, 0, ROWS);
    h = add(h, make(graph, { h }));
    graph.result('h', h);
    expect(leastBytes(graph)).toBe(3 * BYTES);
    expect(inPlace(graph)).toBe(4);
    expect(leastBytes(graph)).toBe(2 * BYTES);
    const made = graph.nodes.flatMap(({ op, outputs }) => (op === opaque ? [] : outputs));
    expect(made.map(rootOf)).toEqual([first, first, first, first]);
    expect(graph.results.get('h')).toBe(made.at(-1));
    for (const node of graph.nodes.slice(2))
      for (const tensor of Object.values(node.inputs))
        if (tensor?.source.kind === 'alias') expect(made).toContain(tensor);
  });

  it('that ride on a product go over what they are added to', () => {
    const graph = new Graph({ precision: 'f16' });
    const x = make(graph);
    const h = graph.add(opaque, {}, undefined, SHAPE, 'f32');
    const product = matmulWeight(x, graph.weight('w', [WIDTH, WIDTH]));
    graph.result('y', add(h, product));
    fuse(graph);
    const node = graph.nodes.at(-1);
    expect(node?.outputs.map(rootOf)).toEqual([h]);
    expect(node?.op.lower(node).map(coveredBy)).toEqual(['residual']);
  });

  it('go over the other summand where the first is needed, and nowhere where it is repeated', () => {
    const graph = new Graph({ precision: 'f32' });
    const [a, b] = [make(graph), make(graph)];
    const sum = add(a, b);
    const bias = make(graph, {}, [2, WIDTH]);
    const more = addRows(make(graph, { a }), bias);
    graph.result('y', make(graph, { sum, more, a }));
    expect(inPlace(graph)).toBe(2);
    const [over, repeated] = [graph.nodes[2], graph.nodes[5]];
    expect(over?.outputs.map(rootOf)).toEqual([b]);
    expect(repeated?.outputs.map(rootOf)).toEqual([repeated?.inputs['x']]);
  });

  it('leave alone what is stored otherwise, read twice in one call, or the memory of others', () => {
    const graph = new Graph({ precision: 'f16' });
    const x = make(graph);
    const wider = add(x, make(graph));
    expect([x.dtype, wider.dtype]).toEqual(['f16', 'f32']);
    const constant = graph.constant('table', new Float32Array(ROWS * WIDTH), SHAPE);
    const shape = SHAPE;
    const device = {
      label: 'in',
      shape,
      dtype: 'f32',
      buffer: {} as GPUBuffer,
      offset: 0,
    } as const;
    const external = silu(graph.external(device));
    const twice = make(graph);
    const doubled = addRows(twice, twice);
    graph.result('y', make(graph, { wider, external, doubled, table: silu(constant) }));
    expect(inPlace(graph)).toBe(0);
  });
});

describe('a kernel whose output may lie over an input', () => {
  it('binds both once, and reads the output', () => {
    const types = { x: 'f16', gate: 'f32', residual: 'f32', y: 'f32' } as const;
    const bound = boundTensors(gatedAdd, types, 'residual');
    const variant = { kernel: gatedAdd, bound, arithmetic: 'f32', values: {} } as const;
    const code = shaderCode(variant, new Set());
    const names = [...code.matchAll(/@binding\((\d)\) var<[^>]+> (\w+)/g)].map(([, at, name]) => [
      Number(at),
      name,
    ]);
    expect(names).toEqual([
      [0, 'x'],
      [1, 'gate'],
      [2, 'y'],
      [3, 'p'],
    ]);
    expect(code).toContain('fn loadResidual(i: u32) -> vec4f { return y[i]; }');
  });

  it('has a test case for each such input', () => {
    const untested = kernels.flatMap(({ name, over, cases }) => {
      const possible = cases.flatMap(({ dims, values = {}, absent = [] }) =>
        (over?.(dims, values) ?? []).filter((input) => !absent.includes(input)),
      );
      const tested = cases.flatMap((test) => test.over ?? []);
      const allowed = cases.every(
        (test) => !test.over || over?.(test.dims, test.values ?? {}).includes(test.over),
      );
      const missing = [...new Set(possible)].filter((input) => !tested.includes(input));
      return allowed && missing.length === 0 ? [] : [`${name}: ${missing.join()}`];
    });
    expect(untested).toEqual([]);
  });
});
