/** Memory plan: every activation gets an offset in an arena, reused as soon as its last reader is done. */
import { EngineError } from '../gpu/errors.ts';
import { bytesOf } from '../gpu/tensor.ts';
import type { Graph, Tensor } from './graph.ts';
import { rootOf } from './graph.ts';

export type Placement = {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
};

export type MemoryPlan = {
  readonly placements: ReadonlyMap<Tensor, Placement>;
  /** Bytes of each arena buffer. */
  readonly segments: readonly number[];
  /** Sum of the live bytes at the fullest moment: no plan can need less. */
  readonly lowerBoundBytes: number;
};

type Lifetime = {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly first: number;
  last: number;
};

const ALIGNMENT = 256;

/** Orders in which tensors are placed; no single one is best for every graph. */
const ORDERS: readonly ((a: Lifetime, b: Lifetime) => number)[] = [
  (a, b) => b.bytes - a.bytes || a.first - b.first,
  (a, b) => spanOf(b) - spanOf(a) || b.bytes - a.bytes,
  (a, b) => b.bytes * spanOf(b) - a.bytes * spanOf(a) || a.first - b.first,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
];

const spanOf = ({ first, last }: Lifetime): number => last - first;

/** Steps that the search for a better plan may take, in comparisons of two tensors. */
const SEARCH_WORK = 1e8;
const MOST_TRIES = 200;
/** Steps of the walk through other orders; graphs of hundreds of tensors get fewer, by the work. */
const MOST_MOVES = 1000;
/** A plan that is this close to the bound is not walked from. */
const CLOSE = 1.02;

/**
 * Returns the smallest of the placements that greedy best fit finds: in several orders, then again and again with the
 * tensor that stuck out placed first, then on a walk that moves one tensor after another in the order. Segments have at most `maxSegmentBytes`. Two tensors overlap in memory only if
 * their lifetimes do not. Throws `gpu/limit` for a tensor that is larger than a segment.
 */
export function planMemory(graph: Graph, maxSegmentBytes: number): MemoryPlan {
  const lifetimes = findLifetimes(graph);
  for (const { tensor, bytes } of lifetimes) {
    if (bytes > maxSegmentBytes) throw tooLarge(tensor, bytes, maxSegmentBytes);
  }
  const lowerBoundBytes = peakOf(lifetimes, graph.nodes.length);
  const planned = ORDERS.map((order) => {
    const sorted = [...lifetimes].sort(order);
    return { sorted, plan: place(sorted, maxSegmentBytes, lowerBoundBytes) };
  });
  const smallest = planned.toSorted((a, b) => totalOf(a.plan) - totalOf(b.plan))[0];
  let best = smallest?.plan ?? { placements: new Map(), segments: [], lowerBoundBytes };
  let order = smallest?.sorted ?? [];
  let plan = best;
  const tries = Math.min(MOST_TRIES, Math.floor(SEARCH_WORK / (lifetimes.length ** 2 + 1)));
  for (let i = 0; i < tries && totalOf(best) > lowerBoundBytes; i++) {
    const highest = order.reduce((most, life) =>
      endOf(plan, life) > endOf(plan, most) ? life : most,
    );
    order = [highest, ...order.filter((life) => life !== highest)];
    plan = place(order, maxSegmentBytes, lowerBoundBytes);
    if (totalOf(plan) < totalOf(best)) best = plan;
  }
  const moves = Math.min(MOST_MOVES, Math.floor(SEARCH_WORK / (lifetimes.length ** 2 + 1)));
  return walk(smallest?.sorted ?? [], best, moves, maxSegmentBytes);
}

/** Returns the smallest plan on a walk of `moves` that starts from `order`: moves that make a plan larger are taken back. */
function walk(
  order: readonly Lifetime[],
  start: MemoryPlan,
  moves: number,
  maxSegmentBytes: number,
): MemoryPlan {
  const { lowerBoundBytes } = start;
  let best = start;
  let current = [...order];
  let size = totalOf(place(current, maxSegmentBytes, lowerBoundBytes));
  let state = 1;
  // The same numbers each time: the same graph has the same plan.
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  for (let i = 0; i < moves && totalOf(best) > CLOSE * lowerBoundBytes; i++) {
    const next = [...current];
    const [moved] = next.splice(below(next.length), 1);
    if (moved) next.splice(below(next.length + 1), 0, moved);
    const plan = place(next, maxSegmentBytes, lowerBoundBytes);
    if (totalOf(plan) > size) continue;
    current = next;
    size = totalOf(plan);
    if (size < totalOf(best)) best = plan;
  }
  return best;
}

const tooLarge = ({ label, shape, dtype }: Tensor, need: number, have: number): EngineError =>
  new EngineError(
    'gpu/limit',
    `${label} [${shape.join(', ')}] ${dtype} — got ${need} bytes, this device allows ${have} — ask for a smaller picture, fewer frames or f16`,
    { have, need },
  );

const endOf = ({ placements }: MemoryPlan, { tensor }: Lifetime): number => {
  const { offset, bytes } = placements.get(tensor) ?? { offset: 0, bytes: 0 };
  return offset + bytes;
};

const totalOf = ({ segments }: MemoryPlan): number => segments.reduce((a, b) => a + b, 0);

function place(
  lifetimes: readonly Lifetime[],
  maxSegmentBytes: number,
  lowerBoundBytes: number,
): MemoryPlan {
  const placements = new Map<Tensor, Placement>();
  const segments: Segment[] = [];
  for (const life of lifetimes) {
    const { segment, offset } = leastGrowth(segments, life, maxSegmentBytes);
    const target = segments[segment] ?? { bytes: 0, placed: [] };
    segments[segment] = target;
    insert(target.placed, { life, offset });
    target.bytes = Math.max(target.bytes, offset + life.bytes);
    placements.set(life.tensor, { segment, offset, bytes: life.bytes });
  }
  return { placements, segments: segments.map(({ bytes }) => bytes), lowerBoundBytes };
}

/** Where a tensor makes the arena grow least: in one of the segments, or in a new one where none has room. */
function leastGrowth(
  segments: readonly Segment[],
  life: Lifetime,
  maxSegmentBytes: number,
): { segment: number; offset: number } {
  let best = { segment: segments.length, offset: 0, growth: Infinity };
  for (const [segment, each] of segments.entries()) {
    const offset = lowestGap(each, life);
    const end = offset + life.bytes;
    const growth = Math.max(0, end - each.bytes);
    if (end <= maxSegmentBytes && growth < best.growth) best = { segment, offset, growth };
  }
  return best;
}

type Placed = { readonly life: Lifetime; readonly offset: number };

/** What has been placed lies in the order of offsets. */
type Segment = { bytes: number; readonly placed: Placed[] };

function insert(placed: Placed[], one: Placed): void {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((placed[middle]?.offset ?? 0) <= one.offset) low = middle + 1;
    else high = middle;
  }
  placed.splice(low, 0, one);
}

function findLifetimes(graph: Graph): Lifetime[] {
  const lives = new Map<Tensor, Lifetime>();
  const end = graph.nodes.length;
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      const tensor = rootOf(output);
      const bytes = Math.ceil(bytesOf(tensor.shape, tensor.dtype) / ALIGNMENT) * ALIGNMENT;
      if (tensor.source.kind === 'activation' && !lives.has(tensor))
        lives.set(tensor, { tensor, bytes, first: index, last: index });
    }
    for (const input of Object.values(node.inputs)) {
      const life = input && lives.get(rootOf(input));
      if (life) life.last = index;
    }
  });
  for (const result of graph.results.values()) {
    const life = lives.get(rootOf(result));
    if (life) life.last = end;
  }
  return [...lives.values()];
}

/** Lowest offset at which `life` meets no tensor that is alive at the same time. */
function lowestGap({ placed }: Segment, { first, last, bytes }: Lifetime): number {
  let offset = 0;
  for (const other of placed) {
    if (other.life.first > last || first > other.life.last) continue;
    if (other.offset >= offset + bytes) break;
    offset = Math.max(offset, other.offset + other.life.bytes);
  }
  return offset;
}

function peakOf(lifetimes: readonly Lifetime[], length: number): number {
  const change = new Float64Array(length + 2);
  for (const { first, last, bytes } of lifetimes) {
    change[first] = (change[first] ?? 0) + bytes;
    change[last + 1] = (change[last + 1] ?? 0) - bytes;
  }
  let live = 0;
  let peak = 0;
  for (const delta of change) {
    live += delta;
    peak = Math.max(peak, live);
  }
  return peak;
}
