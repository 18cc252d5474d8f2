/**
 * The graph: what a model computes, before any kernel, buffer or storage type is chosen.
 *
 * Model code builds it once by calling ops on symbolic tensors; passes rewrite its nodes; `record` turns it into
 * dispatches. Nodes stay in program order, which is also the order of execution.
 */
import { EngineError } from '../gpu/errors.ts';
import type { IntegerType } from '../gpu/integers.ts';
import { isIntegerType, scalesPerRow } from '../gpu/integers.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, rowsOf, sizeOf } from '../gpu/tensor.ts';
import type { Dispatch } from '../kernels/kernel.ts';

/** How weight values are laid out for the kernel that reads them; see weights/weight-writer.ts. */
export type Packing = 'plain' | 'conv';

export type TensorSource =
  | { readonly kind: 'activation' }
  /** Loaded from a checkpoint by key; `shape` of the tensor is the packed shape. */
  | {
      readonly kind: 'weight';
      readonly key: string;
      readonly packing: Packing;
      readonly stored: Shape;
    }
  /** Weights that lie behind one another in memory, as one; see `Graph.stack`. */
  | { readonly kind: 'stack'; readonly key: string; readonly parts: readonly Tensor[] }
  /** The scales beside `of`, a weight or stack stored as small integers; loaded with it. */
  | { readonly kind: 'scales'; readonly of: Tensor }
  /** Known on the CPU when the graph is built, e.g. RoPE tables. */
  | { readonly kind: 'constant'; readonly values: ArrayLike<number> }
  /** Lives outside the graph: inputs, sampler state, feature caches. Several graphs may share it. */
  | { readonly kind: 'external'; readonly device: DeviceTensor }
  /** The same memory, or what lies there from byte `at` on, under another shape. */
  | { readonly kind: 'alias'; readonly of: Tensor; readonly at: number };

export type Tensor = {
  readonly id: number;
  readonly graph: Graph;
  readonly label: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly source: TensorSource;
};

export type Inputs = Readonly<Record<string, Tensor | undefined>>;

/**
 * Later steps that a kernel can take along: `activation` and `gate` set attrs of these names (`gatePart`,
 * `rowsPerGroup`), `factor`, `gate` and `residual` set inputs of these names.
 */
export type Rider = 'activation' | 'factor' | 'gate' | 'residual';

/** One kind of node: its name and how it becomes dispatches. */
export type Op<I extends Inputs = Inputs, A = unknown> = {
  readonly name: string;
  /** What its kernel can do on the way out, in this order; see passes/fuse.ts. */
  readonly riders?: readonly Rider[];
  lower(node: Node<I, A>): readonly Dispatch<Tensor>[];
};

export type Node<I extends Inputs = Inputs, A = unknown> = {
  readonly op: Op<I, A>;
  readonly inputs: I;
  readonly attrs: A;
  /** None for nodes that only update external tensors in place. */
  readonly outputs: readonly Tensor[];
  /** Module path, for labels and error texts. */
  readonly scope: string;
};

export type Precision = 'f32' | 'f16';

/**
 * How the weight matrix [N, K] under a key is to be stored; undefined = not quantised. With `integerProducts`, layers
 * with quantised weights and many rows quantise their activations too and multiply integers, but for those of encoders.
 */
export type WeightPolicy = ((key: string, shape: Shape) => IntegerType | undefined) & {
  readonly integerProducts?: boolean;
};

/** How a weight is laid out and stored, where that is not the default. */
export type WeightOptions = {
  readonly shape?: Shape;
  readonly packing?: Packing;
  readonly dtype?: Dtype;
  /** It is read by `linear` alone, so it may be stored as small integers where the graph's policy says so. */
  readonly quantisable?: boolean;
};

export type GraphOptions = {
  readonly precision: Precision;
  /** Storage of sums on the residual stream at f16 precision; f32 unless a model says that f16 holds them. */
  readonly residual?: Dtype;
  /** Which weight matrices are stored as small integers; none if left out. */
  readonly quantise?: WeightPolicy | undefined;
};

/** Offsets at which any device binds a buffer are multiples of this. */
export const BINDING_ALIGNMENT = 256;

/** Rows up to which an activation is kept in f32 at any precision: time embeddings and modulation, a few kilobytes. */
const SMALL_ROWS = 8;

/** A model as ops on symbolic tensors; built once, then recorded for a device. */
export class Graph {
  readonly precision: Precision;
  /** Storage type of ordinary activations and of weight matrices. */
  readonly compute: Dtype;
  /** Storage type of the residual stream. */
  readonly residual: Dtype;
  readonly nodes: Node[] = [];
  readonly weights = new Map<string, Tensor>();
  readonly results = new Map<string, Tensor>();
  readonly #quantise: WeightPolicy | undefined;
  #integerProducts: boolean;
  readonly #scales = new Map<Tensor, Tensor>();
  #nextId = 0;
  #scope: string[] = [];

  constructor(options: GraphOptions) {
    this.precision = options.precision;
    this.compute = options.precision;
    this.#quantise = options.quantise;
    this.#integerProducts = options.quantise?.integerProducts ?? false;
    this.residual = options.precision === 'f32' ? 'f32' : (options.residual ?? 'f32');
  }

  get scope(): string {
    return this.#scope.join('.');
  }

  /** Whether passes/integer-products.ts is to be applied. */
  get integerProducts(): boolean {
    return this.#integerProducts;
  }

  /** Activations stay as they are whatever the policy says: for networks that run once and whose errors every step sees. */
  keepActivations(): void {
    this.#integerProducts = false;
  }

  /** Runs `build` with `name` as the current module path segment. */
  within<R>(name: string, build: () => R): R {
    this.#scope.push(name);
    try {
      return build();
    } finally {
      this.#scope.pop();
    }
  }

  /** Adds a node with one output of the given shape and returns that output. */
  add<I extends Inputs, A>(op: Op<I, A>, inputs: I, attrs: A, shape: Shape, dtype?: Dtype): Tensor {
    const small = rowsOf(shape) <= SMALL_ROWS ? 'f32' : this.compute;
    const output = this.#tensor(`${this.scope}/${op.name}`, shape, dtype ?? small, {
      kind: 'activation',
    });
    this.nodes.push({ op, inputs, attrs, outputs: [output], scope: this.scope });
    return output;
  }

  /** Adds a node with outputs of the given shapes, stored in the compute type; some may be memory that it alone needs. */
  addMany<I extends Inputs, A>(
    op: Op<I, A>,
    inputs: I,
    attrs: A,
    shapes: readonly Shape[],
  ): Tensor[] {
    const outputs = shapes.map((shape) =>
      this.#tensor(`${this.scope}/${op.name}`, shape, this.compute, { kind: 'activation' }),
    );
    this.nodes.push({ op, inputs, attrs, outputs, scope: this.scope });
    return outputs;
  }

  /** Puts a node with one output of the given shape at place `at`, in the scope it names; returns the output. */
  insert<I extends Inputs, A>(
    at: number,
    node: Omit<Node<I, A>, 'outputs'>,
    shape: Shape,
    dtype: Dtype,
  ): Tensor {
    const label = `${node.scope}/${node.op.name}`;
    const output = this.#tensor(label, shape, dtype, { kind: 'activation' });
    this.nodes.splice(at, 0, { ...node, outputs: [output] });
    return output;
  }

  /** Returns an activation that no node makes yet: a further output for a pass to give to one. */
  scratch(label: string, shape: Shape, dtype: Dtype): Tensor {
    return this.#tensor(label, shape, dtype, { kind: 'activation' });
  }

  /** Adds a node that only updates external tensors. */
  effect<I extends Inputs, A>(op: Op<I, A>, inputs: I, attrs: A): void {
    this.nodes.push({ op, inputs, attrs, outputs: [], scope: this.scope });
  }

  /**
   * Returns the weight under `key`, the same tensor each time. `stored` is the checkpoint's shape, `shape` the packed one.
   * Matrices take the compute type or the integers that the graph's policy says, vectors f32, any the given `dtype`.
   */
  weight(key: string, stored: Shape, options: WeightOptions = {}): Tensor {
    const known = this.weights.get(key);
    if (known) return known;
    const shape = options.shape ?? stored;
    const usual = shape.length > 1 ? this.compute : 'f32';
    const free = options.quantisable === true && options.dtype === undefined;
    const dtype = options.dtype ?? (free ? this.#quantise?.(key, shape) : undefined) ?? usual;
    const source = { kind: 'weight', key, packing: options.packing ?? 'plain', stored } as const;
    const tensor = this.#tensor(key, shape, dtype, source);
    this.weights.set(key, tensor);
    return tensor;
  }

  /**
   * Returns `parts`, weights of one type and width, stacked row upon row: the same tensor each time. They are loaded
   * as one; the parts themselves only where something else reads them (see passes/substitute.ts).
   */
  stack(parts: readonly Tensor[]): Tensor {
    const [first] = parts;
    const width = first?.shape.at(-1) ?? 0;
    const key = parts.map(({ label }) => label).join(' + ');
    const known = this.weights.get(key);
    if (known) return known;
    for (const { shape, dtype, label, source } of parts) {
      const fits = source.kind === 'weight' && dtype === first?.dtype;
      checkShape(
        fits && shape.at(-1) === width,
        this,
        `stack of ${label}`,
        shape,
        `rows of ${width}`,
      );
    }
    const rows = parts.reduce((sum, { shape }) => sum + rowsOf(shape), 0);
    const tensor = this.#tensor(key, [rows, width], first?.dtype ?? 'f32', {
      kind: 'stack',
      key,
      parts,
    });
    this.weights.set(key, tensor);
    return tensor;
  }

  /** Returns the scales [N, groups] of a weight or stack that is stored as small integers; none for others. */
  scales(of: Tensor): Tensor | undefined {
    if (!isIntegerType(of.dtype)) return undefined;
    const shape = [rowsOf(of.shape), scalesPerRow(of.dtype, of.shape.at(-1) ?? 1)];
    const known =
      this.#scales.get(of) ??
      this.#tensor(`${of.label} (scales)`, shape, 'f16', { kind: 'scales', of });
    this.#scales.set(of, known);
    return known;
  }

  /** Returns a read-only table whose values are known now. */
  constant(label: string, values: ArrayLike<number>, shape: Shape, dtype: Dtype = 'f32'): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new EngineError(
        'graph/shape',
        `${label} — got ${values.length} values, needs ${sizeOf(shape)} for [${shape.join(', ')}]`,
      );
    }
    return this.#tensor(label, shape, dtype, { kind: 'constant', values });
  }

  /** Returns a symbolic tensor for memory that lives outside the graph. */
  external(device: DeviceTensor): Tensor {
    return this.#tensor(device.label, device.shape, device.dtype, { kind: 'external', device });
  }

  /** Returns the same memory under another shape; both must have the same padded layout. */
  alias(of: Tensor, shape: Shape): Tensor {
    const whole = sizeOf(of.shape) === sizeOf(shape);
    const last = of.shape.at(-1) ?? 1;
    const next = shape.at(-1) ?? 1;
    if (!whole || (last !== next && (last % 4 !== 0 || next % 4 !== 0))) {
      throw new EngineError(
        'graph/shape',
        `reshape in ${this.scope} — got [${of.shape.join(', ')}], cannot be seen as [${shape.join(', ')}]`,
      );
    }
    return this.#tensor(of.label, shape, of.dtype, { kind: 'alias', of, at: 0 });
  }

  /**
   * Returns what lies in `of` from byte `at` on, as a tensor of its own; no copy is made.
   * Throws `graph/shape` when it ends beyond or does not start where a device can bind: at a multiple of 256 bytes.
   */
  part(of: Tensor, at: number, shape: Shape): Tensor {
    const fits =
      at % BINDING_ALIGNMENT === 0 && at + bytesOf(shape, of.dtype) <= bytesOf(of.shape, of.dtype);
    checkShape(fits, this, `part of ${of.label} from byte ${at}`, shape, 'to lie inside');
    return this.#tensor(of.label, shape, of.dtype, { kind: 'alias', of, at });
  }

  /** Keeps `tensor` readable after a run, under `name`. */
  result(name: string, tensor: Tensor): void {
    this.results.set(name, tensor);
  }

  #tensor(label: string, shape: Shape, dtype: Dtype, source: TensorSource): Tensor {
    if (shape.some((length) => !Number.isSafeInteger(length) || length < 1)) {
      throw new EngineError(
        'graph/shape',
        `${label} — got shape [${shape.join(', ')}], needs positive whole numbers`,
      );
    }
    return { id: this.#nextId++, graph: this, label, shape, dtype, source };
  }
}

/** The tensor that owns the memory behind `tensor`. */
export function rootOf(tensor: Tensor): Tensor {
  let root = tensor;
  while (root.source.kind === 'alias') root = root.source.of;
  return root;
}

/** Returns the weights of a graph by checkpoint key, those that are loaded as part of a stack among them. */
export function checkpointWeights({ weights }: Graph): ReadonlyMap<string, Tensor> {
  const all = [...weights.values()].flatMap((tensor) =>
    tensor.source.kind === 'stack' ? tensor.source.parts : [tensor],
  );
  return new Map(all.map((tensor) => [tensor.label, tensor]));
}

/** Bytes from the start of `rootOf(tensor)` to the tensor. */
export function offsetOf(tensor: Tensor): number {
  let at = 0;
  for (let t = tensor; t.source.kind === 'alias'; t = t.source.of) at += t.source.at;
  return at;
}

/** Narrows a node to the kind made by `op`. */
export function isNode<I extends Inputs, A>(
  node: Node | undefined,
  op: Op<I, A>,
): node is Node<I, A> {
  return node !== undefined && (node.op as Op<I, A>) === op;
}

/** Throws `graph/shape` unless `condition` holds. */
export function checkShape(
  condition: boolean,
  graph: Graph,
  what: string,
  have: Shape,
  need: string,
): asserts condition {
  if (!condition) {
    throw new EngineError(
      'graph/shape',
      `${what} in ${graph.scope || 'graph'} — got [${have.join(', ')}], needs ${need}`,
    );
  }
}
