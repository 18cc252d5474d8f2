/** Writes graphs for ONNX step by step: nodes with names of their own, weights and constants as they are asked for. */
import { floatsToHalves } from '../../src/engine/weights/convert.ts';
import type { ElementType } from '../contender.ts';
import type { Layout, OnnxForm, Operand } from '../operators/operator.ts';
import { asIs, permuted } from '../operators/operator.ts';
import { fillFor } from '../random-weights.ts';
import type { OnnxAttribute, OnnxConstant, OnnxNode } from './onnx-model.ts';

type Wholes = { readonly shape: readonly number[]; readonly values: readonly number[] };
type Table = { readonly shape: readonly number[]; readonly values: Float32Array };

export class OnnxBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #weights: Record<string, Operand> = {};
  readonly #layouts: Record<string, Layout> = {};
  readonly #wholes = new Map<string, Wholes>();
  readonly #tables = new Map<string, Table>();

  /** Adds a node with one output and returns its name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain?: 'com.microsoft',
  ): string {
    const output = `${op}.${this.#nodes.length}`;
    this.#nodes.push({ op, inputs, outputs: [output], attributes, ...(domain && { domain }) });
    return output;
  }

  /** Returns a vector or table of the model, with the engine's values. */
  weight(label: string, shape: readonly number[]): string {
    return this.#weight(label, shape, asIs(shape));
  }

  /** x Wᵀ + b. */
  linear(x: string, key: string, from: number, to: number): string {
    const matrix = this.#weight(`${key}.weight`, [to, from], permuted([to, from], [1, 0]));
    const product = this.node('MatMul', [x, matrix]);
    return this.node('Add', [product, this.weight(`${key}.bias`, [to])]);
  }

  /** Whole numbers: shapes, positions. */
  whole(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const name = `whole ${shape.join('×')}: ${values.length > 8 ? values.length : values.join()}`;
    this.#wholes.set(name, { values, shape });
    return name;
  }

  /** Real numbers that are known now. */
  table(name: string, values: Float32Array, shape: readonly number[]): string {
    this.#tables.set(name, { values, shape });
    return name;
  }

  /** x under another shape. */
  reshape(x: string, shape: readonly number[]): string {
    return this.node('Reshape', [x, this.whole(shape)]);
  }

  /** Lets the graph end in `y`; returns it with the layouts of inputs and result. */
  form(y: string, layouts: Readonly<Record<string, Layout>>): OnnxForm {
    this.#nodes.push({ op: 'Identity', inputs: [y], outputs: ['y'] });
    return {
      nodes: this.#nodes,
      weights: this.#weights,
      layouts: { ...this.#layouts, ...layouts },
      constants: (type) => [...this.#integers(), ...this.#reals(type)],
    };
  }

  #weight(label: string, shape: readonly number[], layout: Layout): string {
    this.#weights[label] = { shape, fill: fillFor({ label, shape }), weight: true };
    this.#layouts[label] = layout;
    return label;
  }

  #integers(): OnnxConstant[] {
    return [...this.#wholes].map(([name, { values, shape }]) => ({
      ...{ name, shape, type: 'i64' as const },
      bytes: new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer),
    }));
  }

  #reals(type: ElementType): OnnxConstant[] {
    return [...this.#tables].map(([name, { values, shape }]) => ({
      ...{ name, shape, type },
      bytes: new Uint8Array((type === 'f16' ? floatsToHalves(values) : values).slice().buffer),
    }));
  }
}
