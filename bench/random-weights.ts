/** Weights of a model that nobody trained: made on the device from their keys, sized so that activations stay near one. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { isIntegerType } from '../src/engine/gpu/integers.ts';
import type { DeviceTensor, Shape } from '../src/engine/gpu/tensor.ts';
import { bytesOf, createTensor } from '../src/engine/gpu/tensor.ts';
import type { Inputs, Node, Op, Tensor } from '../src/engine/graph/graph.ts';
import { BINDING_ALIGNMENT, Graph } from '../src/engine/graph/graph.ts';
import { record } from '../src/engine/graph/record.ts';
import type { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { quantiseKernel } from '../src/engine/kernels/quantise-groups.ts';
import { SHAPES_ALONE, WeightSet } from '../src/engine/weights/upload.ts';
import { submitRepeats } from './encode.ts';
import type { Fill } from './fill.ts';
import { Filler } from './fill.ts';

type QuantiseInputs = Inputs & { readonly x: Tensor; readonly q: Tensor; readonly scale: Tensor };

const quantiseOp: Op<QuantiseInputs, null> = {
  name: 'quantise',
  lower({ inputs }: Node<QuantiseInputs, null>) {
    const { dtype, shape } = inputs.q;
    if (!isIntegerType(dtype)) throw new Error(`${inputs.q.label} is no matrix of integers`);
    const [M = 1, K = 1] = shape;
    return [{ kernel: quantiseKernel(dtype), tensors: inputs, dims: { M, K } }];
  },
};

/** The same key has the same values on every device, at every precision, in every graph. */
export class RandomWeights {
  readonly #gpu: Gpu;
  readonly #pipelines: PipelineCache;
  readonly #filler: Filler;
  /** Lies as a real model's weights do: many in one buffer. */
  readonly #set: WeightSet;
  readonly #filled = new Set<string>();

  constructor(gpu: Gpu, pipelines: PipelineCache) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    this.#filler = new Filler(gpu.device);
    this.#set = new WeightSet(gpu, SHAPES_ALONE);
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return this.#set.bytes;
  }

  /** Makes what `graph` needs and is not there yet; `given` names values in place of its own. */
  async load(graph: Graph, given: Readonly<Record<string, GivenFill>> = {}): Promise<void> {
    await this.#set.load(graph);
    for (const [key, tensor] of graph.weights) {
      if (this.#filled.has(key)) continue;
      this.#filled.add(key);
      const { dtype, source } = tensor;
      const whole = this.#set.get(key);
      const scales = graph.scales(tensor);
      const beside = scales && this.#set.get(scales.label);
      let [offset, scalesAt] = [whole.offset, beside?.offset ?? 0];
      for (const part of source.kind === 'stack' ? source.parts : [tensor]) {
        const place = { ...whole, shape: part.shape, offset };
        offset += bytesOf(part.shape, dtype);
        const { fill, logical } = given[part.label] ?? {
          fill: fillFor(part),
          logical: rowsAndColumns(part),
        };
        if (!beside) {
          this.#fill(place, fill, logical);
          continue;
        }
        const ownScales = graph.scales(part)?.shape ?? beside.shape;
        await this.#quantise(fill, place, { ...beside, shape: ownScales, offset: scalesAt });
        scalesAt += bytesOf(ownScales, beside.dtype);
      }
    }
  }

  /** Fills a tensor in place, or beside it where no binding can begin there. */
  #fill(place: DeviceTensor, fill: Fill, logical: Shape): void {
    if (place.offset % BINDING_ALIGNMENT === 0) {
      this.#filler.write(place, fill, logical);
      return;
    }
    const { device } = this.#gpu;
    const apart = createTensor(device, place.label, place.shape, place.dtype);
    this.#filler.write(apart, fill, logical);
    const encoder = device.createCommandEncoder();
    const bytes = bytesOf(place.shape, place.dtype);
    encoder.copyBufferToBuffer(apart.buffer, 0, place.buffer, place.offset, bytes);
    device.queue.submit([encoder.finish()]);
    apart.buffer.destroy();
  }

  /** Makes the values of a matrix in f32 and turns them into integers and scales. */
  async #quantise(fill: Fill, q: DeviceTensor, scale: DeviceTensor): Promise<void> {
    const x = createTensor(this.#gpu.device, `${q.label}/values`, q.shape, 'f32');
    this.#filler.write(x, fill);
    const graph = new Graph({ precision: 'f32' });
    const inputs = { x: graph.external(x), q: graph.external(q), scale: graph.external(scale) };
    graph.effect(quantiseOp, inputs, null);
    const recording = await record(graph, {
      ...{ gpu: this.#gpu, pipelines: this.#pipelines },
      weights: (key) => this.get(key),
    });
    submitRepeats(this.#gpu.device, recording, 1);
    recording.destroy();
    x.buffer.destroy();
  }

  /** Returns the weight under `key`. Throws `weights/missing` when no graph asked for it. */
  get(key: string): DeviceTensor {
    return this.#set.get(key);
  }

  destroy(): void {
    this.#set.destroy();
  }
}

export type GivenFill = { readonly fill: Fill; readonly logical: readonly number[] };

const rowsAndColumns = ({ shape }: Tensor): number[] => [
  shape.slice(0, -1).reduce((a, b) => a * b, 1),
  shape.at(-1) ?? 1,
];

/** Norm weights lie about one, biases and tables about nothing, matrices keep the spread of what they multiply. */
export function fillFor({ label, shape }: Pick<Tensor, 'label' | 'shape'>): Fill {
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
