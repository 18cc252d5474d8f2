/**
 * What a kernel is: a WGSL file and the descriptor that declares its bindings, grid, cost, CPU reference and test cases.
 *
 * The descriptor is the one place that declares bindings. For a tensor `x` the shader finds, already declared:
 *   loadX(i) -> vec4f       group i of four values      (i = row * pitch / 4 + column / 4)
 *   realX(i) -> vec4<Real>  the same in the arithmetic type; `Real` is f16 or f32
 *   atX(e)   -> f32         one value, by element index in the padded layout
 *   storeX(i, vec4f)        for outputs; padding lanes must be written as zero (`keep` in lib/lanes.wgsl)
 * whatever the storage type of x is. Uniforms arrive as the struct `p`; `p.base` is added to the workgroup id, so that
 * a large grid can be cut into several dispatches. An optional tensor that is absent is not declared, and `HAS_X` is false.
 * Where the output lies over an input (`over`), both are one binding, and the accessors of the input read the output's.
 */
import type { Capabilities } from '../gpu/device.ts';
import type { Dtype, Shape } from '../gpu/tensor.ts';
import type { WgslSource } from '../gpu/preprocess.ts';

/** Numbers that describe one call: axis lengths, strides, epsilons. */
export type Dims = Readonly<Record<string, number>>;

/** Values of the shader's `#param` lines. */
export type Values = Readonly<Record<string, number | boolean | string>>;

export type TensorRole = 'in' | 'out' | 'inout' | 'weight';

export type TensorSpec = {
  readonly role: TensorRole;
  /** Fixed storage type; absent = whatever the tensor has (f32 or f16). */
  readonly dtype?: Dtype;
  readonly optional?: boolean;
  /** Name of the weight whose scales these are; there only when that weight is stored as small integers. */
  readonly scalesOf?: string;
};

/** Activation read by the kernel. Bound read_write: the arena that holds it also holds the output. */
export const input = (dtype?: Dtype): TensorSpec => spec('in', dtype);
/** Tensor written in full by the kernel. */
export const output = (dtype?: Dtype): TensorSpec => spec('out', dtype);
/** Tensor updated in place. */
export const inout = (dtype?: Dtype): TensorSpec => spec('inout', dtype);
/** Weight or table: read-only, never in the arena. */
export const weight = (dtype?: Dtype): TensorSpec => spec('weight', dtype);
/** Scales [N, groups] beside the weight `name` where that is quantised; see quantisation.ts. */
export const scalesOf = (name: string): TensorSpec => ({
  ...weight('f16'),
  optional: true,
  scalesOf: name,
});
/** A tensor that a call may leave out; the shader sees `HAS_NAME` false. */
export const optional = (of: TensorSpec): TensorSpec => ({ ...of, optional: true });

/**
 * Returns `tensors` with every weight bound like an activation. A kernel that wants this for one of them needs it for
 * all: weights share buffers, and a dispatch cannot bind one buffer both ways.
 */
export const asActivations = <T extends Readonly<Record<string, TensorSpec>>>(tensors: T): T =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      name,
      tensor.role === 'weight' ? { ...tensor, role: 'in' } : tensor,
    ]),
  ) as T;

const spec = (role: TensorRole, dtype: Dtype | undefined): TensorSpec =>
  dtype ? { role, dtype } : { role };

/** What the shader of a kernel is written with, beyond plain WGSL; declare.ts writes the directives. */
export type ShaderFeature = 'subgroups' | 'subgroup-matrix';

/** Type that products are made in: f16 where values are stored so and the device's self-test passed. */
export type Arithmetic = 'f32' | 'f16';

/** Where and on what a kernel is to run; enough to tell whether it can and whether it should. */
export type Situation = {
  readonly caps: Capabilities;
  readonly dims: Dims;
  readonly arithmetic: Arithmetic;
  /** Storage types by binding name; tensors that are left out are absent. */
  readonly dtypes: Readonly<Record<string, Dtype | undefined>>;
  /** The input that the output is written over, by binding name; absent = the output has a place of its own. */
  readonly over?: string | undefined;
};

export type UniformType = 'u32' | 'i32' | 'f32';
export type Grid = readonly [x: number, y: number, z: number];
export type Arrays = Readonly<Record<string, Float32Array>>;

export type Case = {
  readonly dims: Dims;
  readonly why: string;
  /** Which `#param` values the case needs beside the tuned ones, e.g. an activation. */
  readonly values?: Values;
  /** Optional tensors to leave out. */
  readonly absent?: readonly string[];
  /** Storage types in place of the tier's own, by name: quantised weights. */
  readonly stored?: Readonly<Record<string, Dtype>>;
  /** The input that the output is written over; such a case is run with the kernel's own choice of values alone. */
  readonly over?: string;
  /** Fills input `name`, element i; default: seeded values in -1..1. */
  readonly fill?: (name: string, i: number) => number;
  readonly tolerance?: Tolerance;
};

/** Largest allowed |got - want| is `abs + rel * |want|`, for each arithmetic. */
export type Tolerance = { readonly abs: number; readonly rel: number };

export type Kernel = {
  readonly name: string;
  readonly wgsl: WgslSource;
  readonly tensors: Readonly<Record<string, TensorSpec>>;
  /** Which dims reach the shader, in the order of the struct `p`. */
  readonly uniforms: Readonly<Record<string, UniformType>>;
  /** Alternatives for each tunable `#param`; the first is the default. All of them are tested. */
  readonly tune: Readonly<Record<string, readonly (number | boolean | string)[]>>;
  /** What the device must have; absent = plain WGSL. */
  readonly features?: readonly ShaderFeature[];
  /** The dims that decide which values are fastest; default all whole numbers among the uniforms. */
  readonly tuneBy?: readonly string[];
  /** Whether a combination of values can run in a situation and is worth a try there; absent = always. */
  readonly suits?: (values: Values, situation: Situation) => boolean;
  /** Values chosen from the shape and the device; override the defaults of `tune`. */
  readonly choose?: (dims: Dims, caps: Capabilities, arithmetic: Arithmetic) => Values;
  /** Values that follow from all others, e.g. how often a loop goes round. */
  readonly derive?: (values: Values, dims: Dims) => Values;
  /**
   * Inputs over which the one output may be written, best first; absent = none. Of such an input each invocation reads
   * what it writes itself and nothing else, before it writes it, and both have the same rows in the same layout. Values
   * that it reads and throws away, because its place is outside, may be of any age.
   */
  readonly over?: (dims: Dims, values: Values) => readonly string[];
  readonly grid: (dims: Dims, values: Values) => Grid;
  readonly cost: (dims: Dims) => { readonly flops: number; readonly bytes: number };
  /** Logical shapes of the tensors for a test or bench case. */
  readonly shapes: (dims: Dims) => Readonly<Record<string, Shape>>;
  /** CPU reference on unpadded row-major arrays, written from the formula; returns every output by name. */
  readonly cpu: (inputs: Arrays, dims: Dims, values: Values) => Arrays;
  readonly tolerance: { readonly f32: Tolerance; readonly f16: Tolerance };
  readonly cases: readonly Case[];
  /** Larger cases for the bench. */
  readonly bench: readonly Case[];
};

/** Returns the descriptor unchanged, with its names kept as literal types. */
export const defineKernel = <const K extends Kernel>(kernel: K): K => kernel;

/** One use of a kernel: tensors by binding name, shapes and parameter values. */
export type Dispatch<T> = {
  /** The kernel that runs everywhere. */
  readonly kernel: Kernel;
  /** Others with the same bindings and dims, best first; the first that suits is taken, see select.ts. */
  readonly variants?: readonly Kernel[];
  readonly tensors: Readonly<Record<string, T | undefined>>;
  readonly dims: Dims;
  readonly values?: Values;
  /** The input that the output is written over; both are the same place, bound once. */
  readonly over?: string | undefined;
};

/** Returns the name of a kernel's output; the first of several. */
export const outputOf = ({ tensors }: Kernel): string =>
  Object.keys(tensors).find((name) => tensors[name]?.role === 'out') ?? '';

/** Returns every `#param` value of a call: tuned defaults, the device's choice, the caller's, then what follows from them. */
export function resolveValues(
  kernel: Kernel,
  { dims, caps, arithmetic }: Omit<Situation, 'dtypes'>,
  own: Values = {},
): Values {
  const defaults = Object.fromEntries(
    Object.entries(kernel.tune).map(([name, [first]]) => [name, first ?? 0]),
  );
  const values = { ...defaults, ...kernel.choose?.(dims, caps, arithmetic), ...own };
  return { ...values, ...kernel.derive?.(values, dims) };
}
