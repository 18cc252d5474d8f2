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
import type { WeightSource } from '../src/engine/weights/upload.ts';
import { WeightSet } from '../src/engine/weights/upload.ts';
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

/** Makes values on the device: the same key has the same ones on every device, at every precision, in every graph. */
export class RandomFill {
  readonly #gpu: Gpu;
  readonly #pipelines: PipelineCache;
  readonly #filler: Filler;

  constructor(gpu: Gpu, pipelines: PipelineCache) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    this.#filler = new Filler(gpu.device);
  }

  /** Fills weights where `get` says that they lie; `given` names values in place of their own. */
  async fill(
    weights: ReadonlyMap<string, Tensor>,
    get: (key: string) => DeviceTensor,
    given: Readonly<Record<string, GivenFill>> = {},
  ): Promise<void> {
    for (const [key, tensor] of weights) {
      const { dtype, source } = tensor;
      const whole = get(key);
      const scales = tensor.graph.scales(tensor);
      const beside = scales && get(scales.label);
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
        const ownScales = tensor.graph.scales(part)?.shape ?? beside.shape;
        await this.#quantise(fill, place, { ...beside, shape: ownScales, offset: scalesAt });
        scalesAt += bytesOf(ownScales, beside.dtype);
      }
    }
  }

  #fill(place: DeviceTensor, fill: Fill, logical: Shape): void {
    const { tensor, bring } = this.#bindable(place);
    this.#filler.write(tensor, fill, logical);
    bring();
  }

  /** Makes the values of a matrix in f32 and turns them into integers and scales. */
  async #quantise(fill: Fill, integers: DeviceTensor, scales: DeviceTensor): Promise<void> {
    const x = createTensor(this.#gpu.device, `${integers.label}/values`, integers.shape, 'f32');
    this.#filler.write(x, fill);
    const [q, scale] = [this.#bindable(integers), this.#bindable(scales)];
    const graph = new Graph({ precision: 'f32' });
    const outputs = { q: graph.external(q.tensor), scale: graph.external(scale.tensor) };
    graph.effect(quantiseOp, { x: graph.external(x), ...outputs }, null);
    const recording = await record(graph, {
      ...{ gpu: this.#gpu, pipelines: this.#pipelines },
      weights: notRead,
    });
    submitRepeats(this.#gpu.device, recording, 1);
    for (const { bring } of [q, scale]) bring();
    await this.#gpu.device.queue.onSubmittedWorkDone(); // else the values of a whole model pile up
    recording.destroy();
    x.buffer.destroy();
  }

  /** Returns the place itself, or a tensor of its size where no binding can begin there, which `bring` copies to it. */
  #bindable(place: DeviceTensor): { readonly tensor: DeviceTensor; bring(): void } {
    if (place.offset % BINDING_ALIGNMENT === 0) return { tensor: place, bring: () => undefined };
    const { device } = this.#gpu;
    const apart = createTensor(device, place.label, place.shape, place.dtype);
    const bring = (): void => {
      const encoder = device.createCommandEncoder();
      const bytes = bytesOf(place.shape, place.dtype);
      encoder.copyBufferToBuffer(apart.buffer, 0, place.buffer, place.offset, bytes);
      device.queue.submit([encoder.finish()]);
      apart.buffer.destroy();
    };
    return { tensor: apart, bring };
  }
}

const notRead = (): never => {
  throw new Error('random weights are made on the device, not read');
};

/** The random weights of the graphs of one model. They lie as a real model's do: many in one buffer. */
export class RandomWeights {
  readonly #set: WeightSet;
  #given: Readonly<Record<string, GivenFill>> = {};

  constructor(gpu: Gpu, pipelines: PipelineCache) {
    const random = new RandomFill(gpu, pipelines);
    const source: WeightSource = {
      ...{ info: notRead, read: notRead },
      fill: (weights, get) => random.fill(weights, get, this.#given),
    };
    this.#set = new WeightSet(gpu, source);
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return this.#set.bytes;
  }

  /** Makes what `graph` needs and is not there yet; `given` names values in place of its own. */
  async load(graph: Graph, given: Readonly<Record<string, GivenFill>> = {}): Promise<void> {
    this.#given = given;
    await this.#set.load(graph);
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
