/** What weights are read from, as far as the device's side asks. */
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor, Shape } from '../gpu/tensor.ts';
import type { Tensor } from '../graph/graph.ts';
import type { Packs } from './packs.ts';
import type { Pieces, StoredValues } from './slabs.ts';

/** Where weight values come from; see weight-store.ts. */
export type WeightSource = {
  info(name: string): { readonly shape: Shape };
  /** Resolves to the values, row-major, as f32. */
  read(name: string): Promise<Float32Array>;
  /** Yields the same piece by piece, where that is possible; large weights are then never whole in memory. */
  pieces?(name: string, chunkBytes?: number): Pieces;
  /** Returns a weight, or rows [first, end) of it, as stored, where no more than a factor lies between that and its values. */
  raw?(name: string, rows?: readonly [first: number, end: number]): StoredValues | undefined;
  /** Where quantised weights are kept from run to run. */
  readonly packs?: Packs | undefined;
  /**
   * Makes the values of weights on the device itself, where `get` says that they lie; nothing is read then, and no shape
   * compared.
   */
  fill?(weights: ReadonlyMap<string, Tensor>, get: (key: string) => DeviceTensor): Promise<void>;
  /** Whether there are no values at all: space is taken for them, and for what reading them would take. */
  readonly shapesAlone?: boolean;
};

const noValues = (): never => {
  throw new EngineError('engine/assert', 'weights — got shapes alone, needs values');
};

/** Nothing is kept, but the first bytes are asked for, so that the space is taken which that takes. */
const PAPER_PACKS: Packs = {
  open: () => Promise.resolve(undefined),
  keep: async (_name, _size, pieces) => {
    for await (const _ of pieces) return;
  },
  onError: () => undefined,
};

/** Weights without values: space is taken for them as for real ones, for forecasts of memory. */
export const SHAPES_ALONE: WeightSource = {
  info: noValues,
  read: noValues,
  fill: () => Promise.resolve(),
  shapesAlone: true,
  packs: PAPER_PACKS,
};
