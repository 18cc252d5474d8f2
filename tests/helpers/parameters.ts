/** Counts what a network reads of its checkpoint, without one. */
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { Scope } from '../../src/engine/nn/module.ts';

/** Returns the number of parameters of what `build` builds. */
export function parameters(build: (root: Scope) => void): number {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const stored = [...checkpointWeights(graph).values()].map(({ source }) =>
    source.kind === 'weight' ? sizeOf(source.stored) : NaN,
  );
  return stored.reduce((a, b) => a + b, 0);
}
