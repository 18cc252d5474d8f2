/**
 * What an avatar remembers: for each layer the keys and values of the conditions, and a ring of those of past frames for
 * each denoising step. All of it is allocated when a stream begins; nothing grows with the stream.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { DeviceTensor, Dtype } from '../../gpu/tensor.ts';
import { bytesOf, createTensor, writeTensor } from '../../gpu/tensor.ts';
import type { Graph, Tensor } from '../../graph/graph.ts';
import type { Ring } from '../../graph/ops/ring.ts';
import { ringRead, ringWrite } from '../../graph/ops/ring.ts';
import type { Recall } from '../wan/dit.ts';

export type MemorySizes = {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  /** Rings a layer has: one for each step of the sampler. */
  readonly steps: number;
  /** Blocks that a ring holds. */
  readonly slots: number;
  /** Tokens of a block. */
  readonly blockRows: number;
  /** Tokens of reference and motion. */
  readonly conditionRows: number;
  readonly dtype: Dtype;
  /** Keeps the rings as 8-bit integers with a scale for each head: half the memory of f16. */
  readonly int8: boolean;
};

/** Rows that are kept as integers have scales beside them. */
export type RingMemory = {
  readonly values: DeviceTensor;
  readonly scale: DeviceTensor | undefined;
};

/** Of one layer: rings [steps · slots · blockRows, width], conditions [conditionRows, width], keys not turned. */
export type LayerMemory = {
  readonly ringK: RingMemory;
  readonly ringV: RingMemory;
  readonly stayK: DeviceTensor;
  readonly stayV: DeviceTensor;
};

/** Owns the memory of one stream. */
export class AvatarMemory {
  readonly sizes: MemorySizes;
  readonly layers: readonly LayerMemory[];
  readonly #slot: DeviceTensor;
  readonly #zero: DeviceTensor;
  readonly #device: GPUDevice;

  constructor(device: GPUDevice, sizes: MemorySizes) {
    const { steps, slots, blockRows, conditionRows, heads, width, dtype, int8 } = sizes;
    checkIntegers(sizes);
    this.sizes = sizes;
    this.#device = device;
    const rows = steps * slots * blockRows;
    const stay = [conditionRows, width];
    this.layers = Array.from({ length: sizes.layers }, (_, layer) => {
      const make = (name: string, shape: readonly number[], type: Dtype): DeviceTensor =>
        createTensor(device, `memory/${layer}/${name}`, shape, type);
      const ring = (name: string): RingMemory => ({
        values: make(name, [rows, width], int8 ? 'i8' : dtype),
        scale: int8 ? make(`${name}/scale`, [rows, heads], 'f32') : undefined,
      });
      return {
        ...{ ringK: ring('ringK'), ringV: ring('ringV') },
        ...{ stayK: make('stayK', stay, dtype), stayV: make('stayV', stay, dtype) },
      };
    });
    this.#slot = createTensor(device, 'memory/slot', [1], 'u32');
    this.#zero = createTensor(device, 'memory/zero', [1], 'u32');
  }

  get bytes(): number {
    return this.#all.reduce((n, { shape, dtype }) => n + bytesOf(shape, dtype), 0);
  }

  /** Says which slot block `index` of the stream takes: that of the oldest one, once all are full. */
  moveTo(index: number): void {
    writeTensor(this.#device, this.#slot, [index % this.sizes.slots]);
  }

  /** Returns how layers store the keys and values of the conditions; those attend to one another. */
  storing(graph: Graph): (layer: number) => Recall {
    const zero = graph.external(this.#zero);
    const whole = (memory: DeviceTensor): Ring => ({
      ...{ memory: graph.external(memory), steps: 1, slots: 1, step: zero, slot: zero },
    });
    return (layer) => (own) => {
      const tensors = this.layers[layer];
      if (!tensors) throw new RangeError(`no memory for layer ${layer}`);
      ringWrite(whole(tensors.stayK), own.still);
      ringWrite(whole(tensors.stayV), own.v);
      return own;
    };
  }

  /**
   * Returns how layers remember a block at the sampler's `step`: its keys and values take their slot, then it sees the
   * `filled` slots and the conditions, whose keys stand at the angles of `table` [conditionRows, headDim].
   */
  streaming(graph: Graph, step: Tensor, filled: number, table: Tensor): (layer: number) => Recall {
    const { steps, slots, heads, blockRows } = this.sizes;
    const slot = graph.external(this.#slot);
    const rows = filled * blockRows;
    return (layer) => (own) => {
      const tensors = this.layers[layer];
      if (!tensors) throw new RangeError(`no memory for layer ${layer}`);
      const ring = ({ values, scale }: RingMemory): Ring => ({
        ...{ memory: graph.external(values), scale: scale && graph.external(scale) },
        ...{ steps, slots, step, slot },
      });
      const [ringK, ringV] = [ring(tensors.ringK), ring(tensors.ringV)];
      ringWrite(ringK, own.k);
      ringWrite(ringV, own.v);
      return {
        k: ringRead(ringK, graph.external(tensors.stayK), { filled: rows, heads, table }),
        v: ringRead(ringV, graph.external(tensors.stayV), { filled: rows, heads }),
      };
    };
  }

  destroy(): void {
    for (const { buffer } of this.#all) buffer.destroy();
  }

  get #all(): DeviceTensor[] {
    const own = this.layers.flatMap(({ ringK, ringV, stayK, stayV }) => [
      ...[ringK.values, ringK.scale, ringV.values, ringV.scale],
      ...[stayK, stayV],
    ]);
    return [...own.filter((tensor) => tensor !== undefined), this.#slot, this.#zero];
  }
}

function checkIntegers({ int8, heads, width }: MemorySizes): void {
  const headDim = width / heads;
  if (!int8 || headDim % 16 === 0) return;
  throw new EngineError(
    'avatar/kv_cache',
    `kv_cache int8 — got heads ${headDim} wide, needs a multiple of 16 — keep it in floats`,
    { have: headDim, need: 16 },
  );
}
