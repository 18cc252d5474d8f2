/** Weights of a model that nobody trained: made on the device from their keys, sized so that activations stay near one. */
import type { DeviceTensor } from '../src/engine/gpu/tensor.ts';
import { bytesOf, createTensor } from '../src/engine/gpu/tensor.ts';
import type { Graph, Tensor } from '../src/engine/graph/graph.ts';
import type { Fill } from './fill.ts';
import { Filler } from './fill.ts';

/** The same key has the same values on every device, at every precision, in every graph. */
export class RandomWeights {
  readonly #device: GPUDevice;
  readonly #filler: Filler;
  readonly #held = new Map<string, DeviceTensor>();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#filler = new Filler(device);
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return [...this.#held.values()].reduce((sum, { buffer }) => sum + buffer.size, 0);
  }

  /** Makes what `graph` needs and is not there yet; `given` names values in place of its own. */
  load(graph: Graph, given: Readonly<Record<string, GivenFill>> = {}): void {
    for (const [key, tensor] of graph.weights) {
      if (this.#held.has(key)) continue;
      const { shape, dtype, source } = tensor;
      const whole = createTensor(this.#device, key, shape, dtype);
      this.#held.set(key, whole);
      let offset = 0;
      for (const part of source.kind === 'stack' ? source.parts : [tensor]) {
        const place = { ...whole, shape: part.shape, offset };
        const { fill, logical } = given[part.label] ?? { fill: fillFor(part), logical: undefined };
        this.#filler.write(place, fill, logical ?? rowsAndColumns(part));
        offset += bytesOf(part.shape, dtype);
      }
    }
  }

  /** Returns the weight under `key`. Throws when no graph asked for it. */
  get(key: string): DeviceTensor {
    const tensor = this.#held.get(key);
    if (!tensor) throw new Error(`weight ${key} was never made`);
    return tensor;
  }

  destroy(): void {
    for (const { buffer } of this.#held.values()) buffer.destroy();
    this.#held.clear();
  }
}

export type GivenFill = { readonly fill: Fill; readonly logical: readonly number[] };

const rowsAndColumns = ({ shape }: Tensor): number[] => [
  shape.slice(0, -1).reduce((a, b) => a * b, 1),
  shape.at(-1) ?? 1,
];

/** Norm weights lie about one, biases and tables about nothing, matrices keep the spread of what they multiply. */
function fillFor({ label, shape }: Tensor): Fill {
  const seed = seedOf(label);
  if (shape.length < 2 || /table$|pos_embed$/.test(label)) {
    const about = /norm.*weight$|gamma$/.test(label) ? 1 : 0;
    return { seed, scale: 0.125, shift: about };
  }
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  return { seed, scale: 2 ** Math.round(Math.log2(Math.sqrt(3 / fanIn))) };
}

/** FNV-1a. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const c of text) hash = Math.imul(hash ^ c.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}
