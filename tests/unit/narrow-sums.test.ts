import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import type { GraphOptions, Tensor } from '../../src/engine/graph/graph.ts';
import { conv } from '../../src/engine/graph/ops/conv.ts';
import { add } from '../../src/engine/graph/ops/elementwise.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';

const ONE = { kernel: [1, 1, 1] } as const;

/** Storage of the sum of two convolutions, which `read` goes on with. */
function sumOf(options: GraphOptions, read: (sum: Tensor, graph: Graph) => Tensor): string {
  const graph = new Graph(options);
  const x = graph.constant('x', new Float32Array(1024), [1, 16, 16, 4], options.precision);
  const weight = (key: string): Tensor => graph.weight(key, [4, 1, 4]);
  const sum = add(conv(x, weight('a'), undefined, ONE), conv(x, weight('b'), undefined, ONE));
  graph.result('y', read(sum, graph));
  fuse(graph);
  const node = graph.nodes.find(({ inputs }) => inputs['residual'] !== undefined);
  return node?.outputs[0]?.dtype ?? 'none';
}

describe('a residual sum at f16 precision', () => {
  const into = (sum: Tensor, graph: Graph): Tensor =>
    conv(sum, graph.weight('c', [4, 1, 4]), undefined, ONE);

  it('is stored in halves where only a convolution reads it', () => {
    expect(sumOf({ precision: 'f16' }, into)).toBe('f16');
  });

  it('stays f32 at f32 precision', () => {
    expect(sumOf({ precision: 'f32' }, into)).toBe('f32');
  });

  it('stays f32 where something is added to it', () => {
    expect(sumOf({ precision: 'f16' }, (sum, graph) => add(sum, into(sum, graph)))).toBe('f32');
  });

  it('stays f32 where a norm reads it', () => {
    expect(sumOf({ precision: 'f16' }, (sum) => normalise(sum, 'rms', 1e-6))).toBe('f32');
  });

  it('stays f32 where it is a result', () => {
    expect(
      sumOf({ precision: 'f16' }, (sum, graph) => {
        graph.result('sum', sum);
        return into(sum, graph);
      }),
    ).toBe('f32');
  });
});
