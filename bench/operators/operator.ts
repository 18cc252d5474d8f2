/**
 * What the table of operators compares: one operation with its operands, how each library runs it, and its value at any
 * place by the formula. Logical shapes and orders are the engine's (channels last, weights [out, taps, in]); a peer that
 * wants another order of memory gets it filled in that way.
 */
import type * as Jax from '@jax-js/jax';
import type * as Tf from '@tensorflow/tfjs-core';
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import type { Graph, Tensor } from '../../src/engine/graph/graph.ts';
import type { Fill } from '../fill.ts';
import type { ElementType } from '../contender.ts';
import type { OnnxConstant, OnnxNode } from '../peers/onnx-model.ts';

export type Operand = {
  /** Logical axes, e.g. [Cout, kt, kh, kw, Cin]. */
  readonly shape: Shape;
  readonly fill: Fill;
  /** A weight: what a library may prepare once, outside of the times. */
  readonly weight?: boolean;
};

/** How a library lays a tensor out: its axes in memory as axes of the logical shape, and the shape it is seen with. */
export type Layout = { readonly order: readonly number[]; readonly shape: Shape };

export type Layouts = Readonly<Record<string, Layout>>;

export type Operands<T, N extends string = string> = Readonly<Record<N, T>>;

export type Hold = (name: string, shape: Shape) => Tensor;

export type OnnxForm = {
  readonly layouts: Layouts;
  readonly nodes: readonly OnnxNode[];
  /** Weights that are no operands, by name, with the values that the engine gives them. */
  readonly weights?: Operands<Operand>;
  /** Tables, shapes and the like. */
  constants?(type: ElementType): readonly OnnxConstant[];
};

export type Operator<N extends string = string> = {
  /** Kind and sizes, e.g. "matmul 4096×4096×4096"; rows are chosen by its beginning. */
  readonly name: string;
  readonly operands: Operands<Operand, N>;
  /** Logical shape of the result. */
  readonly result: Shape;
  /** Default: what the engine's kernels count. */
  readonly flops?: number;
  /** Bound by memory: held against the copy kernel, not against the multiply-add loop. */
  readonly memoryBound?: boolean;
  /** What the engine sees its operands as, where it is not the logical shape. */
  readonly shapes?: Partial<Operands<Shape, N>>;
  /** The engine's storage of weights, where it is not that of the row's type: its row then stands for that type. */
  readonly quantise?: IntegerType;
  /** The engine quantises rows too and multiplies integers. */
  readonly integerProducts?: boolean;
  /** Largest error as a share of the root mean square; default by type. */
  readonly allowed?: number;
  /** Operands that the engine is given in f32 at any precision. */
  readonly exact?: readonly N[];
  /** `hold` gives memory that outlives a run, e.g. of a stream. */
  build(graph: Graph, tensors: Operands<Tensor, N>, hold: Hold): Tensor;
  /**
   * The value at a place of the result, from the operands' values. Without it the engine in f32 is the reference,
   * which `npm run verify` holds against PyTorch.
   */
  expected?(place: readonly number[]): number;
  /** What `expected` computes for one value, in flops; default its share of the whole. */
  readonly referenceFlops?: number;
  /** Layouts of the operands and, under `y`, of the result. */
  readonly onnx?: OnnxForm;
  readonly tfjs?: {
    readonly layouts: Layouts;
    run(tf: typeof Tf, tensors: Operands<Tf.Tensor, N>): Tf.Tensor;
  };
  readonly jax?: {
    readonly layouts: Layouts;
    run(jax: typeof Jax, arrays: Operands<Jax.Array, N>): Jax.Array;
  };
};

/** Returns the row-major index of a place. */
export const indexOf = (shape: Shape, place: readonly number[]): number =>
  shape.reduce((index, length, axis) => index * length + (place[axis] ?? 0), 0);

/** The layout of a shape as it stands. */
export const asIs = (shape: Shape, seen: Shape = shape): Layout => ({
  order: shape.map((_, axis) => axis),
  shape: seen,
});

/** The layout of a shape with its axes in another order. */
export const permuted = (shape: Shape, order: readonly number[], seen?: Shape): Layout => ({
  order,
  shape: seen ?? order.map((axis) => shape[axis] ?? 1),
});
