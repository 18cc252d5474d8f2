/**
 * Modules: how a model is written down. A block lists its parts under their checkpoint keys, in checkpoint order,
 * and says in a few lines how they are applied. Everything else (shapes, storage, memory, kernels) is derived.
 */
import type { Graph, Tensor, WeightOptions } from '../graph/graph.ts';
import type { Dtype, Shape } from '../gpu/tensor.ts';

/** A place in the checkpoint: a graph and a key prefix. */
export class Scope {
  readonly graph: Graph;
  readonly path: string;

  constructor(graph: Graph, path = '') {
    this.graph = graph;
    this.path = path;
  }

  child(name: string): Scope {
    return new Scope(this.graph, this.path === '' ? name : `${this.path}.${name}`);
  }

  /** Returns the weight `name` below this place; see Graph.weight. */
  weight(name: string, stored: Shape, options: WeightOptions = {}): Tensor {
    return this.graph.weight(this.child(name).path, stored, options);
  }
}

/** A module definition: bound to a place in a checkpoint, it becomes the function that the forward pass calls. */
export type Module<F> = (scope: Scope) => F;

export type Fields = Readonly<Record<string, Module<unknown>>>;
export type Bound<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Module<infer R> ? R : never;
};

/** Returns a module whose parts are `fields` and whose forward pass is `forward`. */
export function block<F extends Fields, A extends readonly unknown[], R>(
  fields: F,
  forward: (parts: Bound<F>, ...args: A) => R,
): Module<(...args: A) => R> {
  return (scope) => {
    const parts = Object.fromEntries(
      Object.entries(fields).map(([key, module]) => [key, module(scope.child(key))]),
    ) as Bound<F>;
    return (...args) =>
      scope.graph.within(scope.path.split('.').at(-1) ?? '', () => forward(parts, ...args));
  };
}

/** Returns the module list `0`, `1`, … under one key. */
export const list =
  <F>(count: number, at: (index: number) => Module<F>): Module<readonly F[]> =>
  (scope) =>
    Array.from({ length: count }, (_, index) => at(index)(scope.child(String(index))));

/** Returns a module that is a bare tensor of the checkpoint, e.g. a modulation table. */
export const parameter =
  (shape: Shape, dtype: Dtype = 'f32', stored: Shape = shape): Module<Tensor> =>
  ({ graph, path }) =>
    graph.weight(path, stored, { shape, dtype });

/** Returns a module that is not there: for parts that only some configurations have. */
export const absent: Module<undefined> = () => undefined;
