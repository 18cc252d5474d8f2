import { describe, expect, it } from 'vitest';
import type { DeviceTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import type { Inputs, Op, Tensor } from '../../src/engine/graph/graph.ts';
import { add, affine, geluTanh, mul, silu } from '../../src/engine/graph/ops/elementwise.ts';
import { gatedResidual } from '../../src/engine/graph/ops/gate.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { normalise } from '../../src/engine/graph/ops/norm.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';

const opaque: Op<Inputs> = { name: 'opaque', lower: () => [] };

let count = 0;
/** Returns the output of a node like no other. */
const unlike = (graph: Graph, shape: readonly number[]): Tensor =>
  graph.add(opaque, {}, count++, shape);

function setting(): { graph: Graph; x: Tensor; project: (input: Tensor) => Tensor } {
  const graph = new Graph({ precision: 'f32' });
  const x = unlike(graph, [10, 8]);
  const project = (input: Tensor): Tensor =>
    matmulWeight(input, graph.weight('w', [8, 8]), graph.weight('b', [8]));
  return { graph, x, project };
}

/** Names of the nodes that are left, and what rides on the last. */
const names = (graph: Graph): string[] => graph.nodes.map(({ op }) => op.name);

describe('fusion', () => {
  it('folds an activation into the product before it', () => {
    const { graph, x, project } = setting();
    const y = geluTanh(project(x));
    graph.result('y', y);
    expect(fuse(graph)).toBe(1);
    expect(names(graph)).toEqual(['opaque', 'linear']);
    expect(graph.nodes[1]).toMatchObject({ attrs: { activation: 'gelu_tanh' }, outputs: [y] });
  });

  it('folds activation, factor and residual one after another', () => {
    const { graph, x, project } = setting();
    const [other, past] = [unlike(graph, [10, 8]), unlike(graph, [10, 8])];
    graph.result('y', add(past, mul(silu(project(x)), other)));
    expect(fuse(graph)).toBe(3);
    expect(names(graph)).toEqual(['opaque', 'opaque', 'opaque', 'linear']);
    expect(graph.nodes[3]?.inputs).toMatchObject({ factor: other, residual: past });
  });

  it('folds a gate and its residual', () => {
    const { graph, x, project } = setting();
    const gate = unlike(graph, [1, 6, 8]);
    const past = unlike(graph, [10, 8]);
    graph.result('y', gatedResidual(past, project(x), gate, 2, 10));
    expect(fuse(graph)).toBe(1);
    expect(graph.nodes.at(-1)).toMatchObject({
      inputs: { gate, residual: past },
      attrs: { gatePart: 2, rowsPerGroup: 10 },
    });
  });

  it('folds an activation into a norm, but no sum', () => {
    const { graph, x } = setting();
    graph.result('y', add(x, silu(normalise(x, 'rms', 1e-6))));
    expect(fuse(graph)).toBe(1);
    expect(names(graph)).toEqual(['opaque', 'norm', 'elementwise']);
  });

  it('lets only one of two products take their sum', () => {
    const { graph, x, project } = setting();
    const [a, b] = [project(x), matmulWeight(x, graph.weight('w2', [8, 8]))];
    graph.result('y', add(a, b));
    expect(fuse(graph)).toBe(1);
    expect(names(graph)).toEqual(['opaque', 'linear', 'linear']);
    // The one that stays on its own must come first.
    expect(graph.nodes[2]?.inputs['residual']).toBe(graph.nodes[1]?.outputs[0]);
  });

  it.each([
    [
      'has another reader',
      (graph: Graph, y: Tensor) => graph.result('also', normalise(y, 'rms', 1e-6)),
    ],
    ['is kept as a result', (graph: Graph, y: Tensor) => graph.result('also', y)],
    [
      'is kept under another shape',
      (graph: Graph, y: Tensor) => graph.result('also', graph.alias(y, [5, 2, 8])),
    ],
  ])('leaves a step alone when the output %s', (_, use) => {
    const { graph, x, project } = setting();
    const y = project(x);
    use(graph, y);
    graph.result('y', silu(y));
    expect(fuse(graph)).toBe(0);
  });

  it('does not move an activation before a sum that already rides', () => {
    const { graph, x, project } = setting();
    graph.result('y', silu(add(normalise(x, 'rms', 1e-6), project(x))));
    expect(fuse(graph)).toBe(1);
    expect(names(graph)).toEqual(['opaque', 'norm', 'linear', 'elementwise']);
  });

  it('does not bind one tensor twice: x + project(x) stays two steps', () => {
    const { graph, x, project } = setting();
    graph.result('y', add(x, project(graph.alias(x, [10, 1, 8]))));
    graph.result('z', add(graph.alias(x, [10, 1, 8]), project(x)));
    expect(fuse(graph)).toBe(0);
  });

  it('leaves scaled steps and repeated rows alone', () => {
    const { graph, x, project } = setting();
    const row = unlike(graph, [1, 8]);
    graph.result('a', affine(project(x), 2));
    graph.result('b', mul(matmulWeight(x, graph.weight('w2', [8, 8])), row));
    expect(fuse(graph)).toBe(0);
  });

  it.each([
    ['the same buffer', true, 0],
    ['another buffer', false, 1],
  ])('around an in-place update of %s', (_, same, folded) => {
    const { graph, project } = setting();
    const tensor = (buffer: object): DeviceTensor => ({
      label: 't',
      shape: [10, 8],
      dtype: 'f32',
      buffer: buffer as GPUBuffer,
      offset: 0,
    });
    const mine = {};
    const state = graph.external(tensor(mine));
    const y = project(state);
    graph.effect(
      opaque,
      { state: same ? graph.external(tensor(mine)) : graph.external(tensor({})) },
      null,
    );
    graph.result('y', silu(y));
    expect(fuse(graph)).toBe(folded);
  });
});
