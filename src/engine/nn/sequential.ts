/** Layers in a row, under their numbers in the checkpoint. */
import type { Tensor } from '../graph/graph.ts';
import type { Layer } from './layers.ts';
import type { Module } from './module.ts';

/** Called with what each numbered layer gives, for tests. */
export type LayerTap = (index: number, x: Tensor) => void;

/** Runs `layers` in the order of their numbers; numbers without weights of their own may be left out. */
export const sequential =
  (
    layers: Readonly<Record<number, Module<Layer>>>,
  ): Module<(x: Tensor, tap?: LayerTap) => Tensor> =>
  (scope) => {
    const bound = Object.entries(layers).map(
      ([index, module]) => [Number(index), module(scope.child(index))] as const,
    );
    return (x, tap) =>
      bound.reduce((h, [index, run]) => {
        const y = scope.graph.within(String(index), () => run(h));
        tap?.(index, y);
        return y;
      }, x);
  };

/** Returns a function without weights as a module. */
export const plain =
  (run: Layer): Module<Layer> =>
  () =>
    run;
