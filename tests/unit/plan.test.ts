import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/engine/gpu/tensor.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { Graph, rootOf } from '../../src/engine/graph/graph.ts';
import type { Inputs, Op, Tensor } from '../../src/engine/graph/graph.ts';
import { planMemory } from '../../src/engine/graph/plan.ts';
import type { MemoryPlan } from '../../src/engine/graph/plan.ts';

const op: Op<Inputs> = { name: 'any', lower: () => [] };

/** Small repeatable random numbers in 0..1. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A graph of `length` nodes that read up to three earlier tensors each, some through aliases, some kept as results. */
function randomGraph(seed: number, length: number): Graph {
  const random = randomFrom(seed);
  const graph = new Graph({ precision: random() < 0.5 ? 'f32' : 'f16' });
  const made: Tensor[] = [];
  for (let i = 0; i < length; i++) {
    const inputs: Record<string, Tensor> = {};
    for (let k = 0; k < Math.min(made.length, 3 * random()); k++) {
      const back = Math.min(made.length, 1 + Math.floor(random() ** 3 * 12));
      const tensor = made[made.length - back];
      if (tensor) inputs[`input${k}`] = tensor;
    }
    const shape: Shape = [1 + Math.floor(random() ** 4 * 500), 4 * (1 + Math.floor(random() * 30))];
    if (random() < 0.1) graph.effect(op, inputs, null);
    else made.push(graph.add(op, inputs, null, shape));
    const last = made.at(-1);
    if (last && random() < 0.2) made.push(graph.alias(last, [1, ...last.shape]));
    if (last && random() < 0.05) graph.result(`result ${i}`, last);
  }
  return graph;
}

/** Every activation whose values are needed while or after node `at` runs and that exists by then, found the slow way. */
function liveAt(graph: Graph, at: number): Set<Tensor> {
  const written = graph.nodes.slice(0, at + 1).flatMap(({ outputs }) => outputs);
  const read = graph.nodes.slice(at).flatMap(({ inputs }) => Object.values(inputs));
  const needed = new Set(
    [...read, ...graph.results.values()].flatMap((tensor) => (tensor ? [rootOf(tensor)] : [])),
  );
  const current = graph.nodes[at]?.outputs ?? [];
  return new Set(written.filter((tensor) => needed.has(tensor) || current.includes(tensor)));
}

function overlaps(plan: MemoryPlan, a: Tensor, b: Tensor): boolean {
  const [one, other] = [plan.placements.get(a), plan.placements.get(b)];
  if (!one || !other) throw new Error(`no place for ${one ? b.label : a.label}`);
  if (one.segment !== other.segment) return false;
  return one.offset < other.offset + other.bytes && other.offset < one.offset + one.bytes;
}

function checkPlan(graph: Graph, plan: MemoryPlan, maxSegmentBytes: number): void {
  for (const [tensor, { segment, offset, bytes }] of plan.placements) {
    expect(offset % 256).toBe(0);
    expect(bytes).toBeGreaterThanOrEqual(bytesOf(tensor.shape, tensor.dtype));
    expect(offset + bytes).toBeLessThanOrEqual(plan.segments[segment] ?? 0);
  }
  expect(Math.max(...plan.segments)).toBeLessThanOrEqual(maxSegmentBytes);
  graph.nodes.forEach((_, at) => {
    const live = [...liveAt(graph, at)];
    live.forEach((tensor, i) => {
      for (const other of live.slice(i + 1)) {
        expect(overlaps(plan, tensor, other), `${tensor.id} and ${other.id} at node ${at}`).toBe(
          false,
        );
      }
    });
  });
}

/** The shape of a transformer: norm, three projections, attention, projection, sum; norm, wide, narrow, sum. */
function transformer(blocks: number, tokens: number, width: number, hidden: number): Graph {
  const graph = new Graph({ precision: 'f16' });
  const step = (inputs: Inputs, columns: number, dtype?: 'f32'): Tensor =>
    graph.add(op, inputs, null, [tokens, columns], dtype);
  let x = step({}, width, 'f32');
  for (let i = 0; i < blocks; i++) {
    const a = step({ x }, width);
    const [q, k, v] = [step({ a }, width), step({ a }, width), step({ a }, width)];
    x = step({ x, y: step({ y: step({ q, k, v }, width) }, width) }, width, 'f32');
    const wide = step({ b: step({ x }, width) }, hidden);
    x = step({ x, wide }, width, 'f32');
  }
  graph.result('x', step({ x }, 64));
  return graph;
}

/** An autoencoder's decoder: few channels and many pixels at the end, a shortcut around each pair. */
function decoder(): Graph {
  const graph = new Graph({ precision: 'f16' });
  let x = graph.add(op, {}, null, [30, 384]);
  for (const [pixels, channels] of [
    [60, 384],
    [240, 192],
    [960, 96],
  ] as const) {
    for (let i = 0; i < 3; i++) {
      const a = graph.add(op, { x }, null, [pixels, channels]);
      const b = graph.add(op, { a }, null, [pixels, channels]);
      x = graph.add(op, { x, b }, null, [pixels, channels]);
    }
  }
  graph.result('x', graph.add(op, { x }, null, [960, 3]));
  return graph;
}

describe('the memory plan', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'never lets two live tensors share bytes (random graph %i)',
    (seed) => {
      const graph = randomGraph(seed, 60);
      checkPlan(graph, planMemory(graph, 2 ** 30), 2 ** 30);
    },
  );

  it.each([1, 2, 3])('keeps to the segment size (random graph %i)', (seed) => {
    const graph = randomGraph(seed, 80);
    const largest = Math.max(
      ...[...planMemory(graph, 2 ** 30).placements.values()].map(({ bytes }) => bytes),
    );
    const plan = planMemory(graph, largest);
    expect(plan.segments.length).toBeGreaterThan(1);
    checkPlan(graph, plan, largest);
  });

  it.each([
    ['a transformer', transformer(4, 390, 384, 1536)],
    ['a transformer with a narrow middle', transformer(3, 1000, 512, 768)],
    ['a decoder', decoder()],
  ])('needs at most a tenth more than the lower bound for %s', (_, graph) => {
    const plan = planMemory(graph, 2 ** 30);
    checkPlan(graph, plan, 2 ** 30);
    const total = plan.segments.reduce((a, b) => a + b, 0);
    expect(total).toBeLessThanOrEqual(1.1 * plan.lowerBoundBytes);
    expect(total).toBeGreaterThanOrEqual(plan.lowerBoundBytes);
  });

  it('finds its way where no simple order comes near the lower bound', () => {
    // Lifetimes of an autoencoder whose intermediates are kept: first use, last use, bytes.
    const lives = [
      [0, 1, 5888],
      [1, 63, 92160],
      [2, 3, 3072],
      [3, 4, 1024],
      [4, 5, 46080],
      [5, 8, 46080],
      [6, 7, 3072],
      [7, 8, 1024],
      [8, 9, 46080],
      [9, 15, 92160],
      [12, 13, 46080],
      [13, 14, 138240],
      [14, 15, 46080],
      [15, 23, 92160],
      [18, 19, 46080],
      [19, 22, 46080],
      [22, 23, 46080],
      [23, 31, 92160],
      [26, 27, 46080],
      [27, 30, 46080],
      [30, 31, 46080],
      [31, 39, 92160],
      [34, 35, 46080],
      [35, 38, 46080],
      [38, 39, 46080],
      [39, 40, 46080],
      [40, 48, 368640],
      [41, 42, 12288],
      [43, 44, 184320],
      [44, 47, 92160],
      [47, 49, 92160],
      [48, 49, 184320],
      [49, 57, 184320],
      [52, 53, 92160],
      [53, 56, 92160],
      [56, 57, 92160],
      [57, 60, 184320],
      [60, 63, 92160],
      [61, 62, 92160],
      [62, 63, 23040],
    ] as const;
    const graph = new Graph({ precision: 'f32' });
    const made = new Map<number, Tensor>();
    for (let at = 0; at < 64; at++) {
      const inputs = Object.fromEntries(
        lives.flatMap(([, last], i) => (last === at ? [[`input${i}`, made.get(i)]] : [])),
      );
      const born = lives.flatMap(([first, , bytes], i) =>
        first === at ? [[i, bytes] as const] : [],
      );
      const outputs = graph.addMany(
        op,
        inputs,
        null,
        born.map(([, bytes]) => [bytes / 4]),
      );
      born.forEach(([i], k) => made.set(i, outputs[k] as Tensor));
    }
    const plan = planMemory(graph, 2 ** 30);
    checkPlan(graph, plan, 2 ** 30);
    expect(plan.segments[0]).toBeLessThanOrEqual(1.02 * plan.lowerBoundBytes);
  });

  it('keeps results to the end and reuses what nobody reads', () => {
    const graph = new Graph({ precision: 'f32' });
    const kept = graph.add(op, {}, null, [16, 16]);
    graph.result('kept', kept);
    let x = graph.add(op, {}, null, [16, 16]);
    for (let i = 0; i < 10; i++) x = graph.add(op, { x }, null, [16, 16]);
    const plan = planMemory(graph, 2 ** 20);
    for (const other of plan.placements.keys())
      if (other !== kept) expect(overlaps(plan, kept, other)).toBe(false);
    expect(plan.segments).toEqual([3 * 1024]); // kept, one input, one output
  });

  it('refuses a tensor that no segment holds, by name and size', () => {
    const graph = new Graph({ precision: 'f16' });
    graph.within('block', () => graph.add(op, {}, null, [16, 72, 128, 640]));
    const plan = () => planMemory(graph, 2 ** 27);
    expect(plan).toThrow('block/any [16, 72, 128, 640] f16 — got 188743680 bytes');
    expect(plan).toThrow(expect.objectContaining({ code: 'gpu/limit', have: 2 ** 27 }));
    expect(planMemory(graph, 2 ** 28).segments).toEqual([188743680]);
  });

  it('gives weights, constants and externals no place', () => {
    const graph = new Graph({ precision: 'f32' });
    const w = graph.weight('w', [4, 4]);
    const table = graph.constant('table', [1, 2, 3, 4], [4]);
    const y = graph.add(op, { w, table }, null, [4, 4]);
    expect([...planMemory(graph, 2 ** 20).placements.keys()]).toEqual([y]);
  });
});
