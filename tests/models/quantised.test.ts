/** Graphs whose weights are quantised on the way in: the numbers are those of the integers and scales. */
import { describe, expect, it } from 'vitest';
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { add } from '../../src/engine/graph/ops/elementwise.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { compare, seeded } from '../../src/engine/kernels/case.ts';
import { dequantiseValues, quantiseValues } from '../../src/engine/kernels/quantisation.ts';
import { linear } from '../../src/engine/nn/layers.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { withIntegerProducts } from '../../src/engine/weights/policy.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, runGraph } from '../helpers/graph.ts';

const ROWS = 64;
const WIDTH = 96;

/** Odd multiples of 1/1024: all exact in f16, none halfway between two integers, none the negative of another. */
const values = (name: string, count: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (4 * Math.round(240 * seeded(name, i)) + 1) / 1024,
  );

/** Square weights under any key. */
const source: WeightSource = {
  info: (name) => ({ shape: name.endsWith('bias') ? [WIDTH] : [WIDTH, WIDTH] }),
  read: (name) => Promise.resolve(values(name, name.endsWith('bias') ? WIDTH : WIDTH * WIDTH)),
};

/** Two layers that read the same rows, so that their weights are stacked, and one behind them. */
function build(graph: Graph, x: Tensor): void {
  const root = new Scope(graph, 'net');
  const layer = (name: string) => linear({ in: WIDTH, out: WIDTH })(root.child(name));
  graph.result('y', layer('c')(add(layer('a')(x), layer('b')(x))));
}

/** A layer in plain loops, in f64 but for the weights. */
function applied(name: string, rows: Float32Array, type: IntegerType): Float32Array {
  const stored = quantiseValues(values(`net.${name}.weight`, WIDTH * WIDTH), WIDTH, type);
  const w = dequantiseValues(stored, WIDTH, type);
  const bias = values(`net.${name}.bias`, WIDTH);
  return Float32Array.from({ length: rows.length }, (_, i) => {
    const [m, n] = [Math.floor(i / WIDTH), i % WIDTH];
    let sum = bias[n] ?? 0;
    for (let k = 0; k < WIDTH; k++) sum += (rows[m * WIDTH + k] ?? 0) * (w[n * WIDTH + k] ?? 0);
    return sum;
  });
}

function reference(x: Float32Array, type: IntegerType): Float32Array {
  const [a, b] = [applied('a', x, type), applied('b', x, type)];
  const sums = a.map((value, i) => value + (b[i] ?? 0));
  return applied('c', sums, type);
}

for (const open of testGpus()) {
  describe(`quantised weights on ${open.name}`, () => {
    it.each(['i8', 'i4', 'i4x64'] as const)('multiply as their integers say: %s', async (type) => {
      const gpu = await open.gpu();
      const graph = new Graph({ precision: 'f32', quantise: () => type });
      const x = values('x', ROWS * WIDTH);
      build(graph, given(gpu, graph, 'x', x, [ROWS, WIDTH]));
      fuse(graph);
      const { y = new Float32Array() } = await runGraph(gpu, graph, source);
      expect(compare(y, reference(x, type), { abs: 2e-3, rel: 1e-4 })).toBe('');
    });

    it('multiply as integers by rows of integers where the policy says so', async () => {
      const gpu = await open.gpu();
      const graph = new Graph({ precision: 'f32', quantise: withIntegerProducts(() => 'i8') });
      const x = values('x', ROWS * WIDTH);
      const layer = linear({ in: WIDTH, out: WIDTH })(new Scope(graph, 'net.a'));
      graph.result('y', layer(given(gpu, graph, 'x', x, [ROWS, WIDTH])));
      fuse(graph);
      expect(graph.nodes.map(({ op }) => op.name)).toEqual(['integer-linear']);
      const { y = new Float32Array() } = await runGraph(gpu, graph, source);
      const rows = dequantiseValues(quantiseValues(x, WIDTH, 'i8'), WIDTH, 'i8');
      expect(compare(y, applied('a', rows, 'i8'), { abs: 1e-3, rel: 1e-4 })).toBe('');
    });

    it('take the bytes of their integers and scales', async () => {
      const gpu = await open.gpu();
      const bytes = async (type: IntegerType | undefined): Promise<number> => {
        const graph = new Graph({ precision: 'f16', quantise: () => type });
        linear({ in: 1024, out: 1024, bias: false })(new Scope(graph, 'net'));
        const shape = [1024, 1024];
        const read = () => Promise.resolve(new Float32Array(2 ** 20).fill(1));
        const weights = new WeightSet(gpu, { info: () => ({ shape }), read });
        await weights.load(graph);
        const held = weights.bytes;
        weights.destroy();
        return held;
      };
      expect(await bytes(undefined)).toBe(2 * 2 ** 20);
      expect(await bytes('i8')).toBe(2 ** 20 + 8 * 1024);
      expect(await bytes('i4')).toBe(2 ** 19 + 2 * 32 * 1024);
      expect(await bytes('i4x64')).toBe(2 ** 19 + 2 * 16 * 1024);
    });
  });
}
