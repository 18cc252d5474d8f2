/** Decodes weights on the device: bytes go there as they lie in a file, and become values as kernels read them. */
import { bytesOf } from '../gpu/tensor.ts';
import { decodeWeights } from '../kernels/decode-weights.ts';
import { isBlockType } from './block-types.ts';
import type { Bound } from './kernel-calls.ts';
import { KernelCalls, Scratch } from './kernel-calls.ts';
import type { Slab } from './slabs.ts';
import type { Place } from './weight-memory.ts';

/** How an output row of a weight is cut: values of a row of the kernels, and how many of those it has. */
export type RowLayout = { readonly C: number; readonly taps: number };

/** Buffers are bound from multiples of this. */
const ALIGNMENT = 256;

/** Writes slabs on one device. */
export class Decoder {
  readonly #device: GPUDevice;
  readonly #calls: KernelCalls;
  readonly #stored: Scratch;
  readonly #factors: Scratch;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#calls = new KernelCalls(device);
    this.#stored = new Scratch(device, 'decode/stored');
    this.#factors = new Scratch(device, 'decode/factors');
  }

  /** Takes what slabs of `rows` rows need, however they are stored: room for their bytes, and for a factor a row. */
  reserve(rows: number, { C, taps }: RowLayout): { stored: GPUBuffer; factor: GPUBuffer } {
    this.#calls.reserve(decodeWeights);
    const stored = this.#stored.atLeast(4 * rows * C * taps);
    return { stored, factor: this.#factors.atLeast(4 * rows) };
  }

  /**
   * Resolves to the call that writes `slab` to a place, which begins at a whole group of four values. Its bytes go to the
   * device at once: submit the call before the next one is prepared.
   */
  async prepare(
    { rows, dtype: STORED, bytes, factors }: Slab,
    layout: RowLayout,
    dtype: 'f32' | 'f16',
    { buffer, offset }: Place,
  ): Promise<(pass: GPUComputePassEncoder) => void> {
    const { queue } = this.#device;
    const { stored, factor } = this.reserve(rows, layout);
    queue.writeBuffer(stored, 0, inWords(bytes));
    if (factors) queue.writeBuffer(factor, 0, factors);
    const begin = Math.floor(offset / ALIGNMENT) * ALIGNMENT;
    const first = (offset - begin) / (dtype === 'f16' ? 8 : 16);
    const size = offset - begin + bytesOf([rows * layout.taps, layout.C], dtype);
    const tensors: Readonly<Record<string, Bound | undefined>> = {
      x: { dtype: 'u32', buffer: stored },
      factor: factors && { dtype: 'f32', buffer: factor },
      y: { dtype, buffer, offset: begin, size },
    };
    const dims = { ...layout, outs: rows, first };
    return this.#calls.prepare(decodeWeights, tensors, dims, {
      STORED,
      BLOCKS: isBlockType(STORED),
    });
  }

  /** Frees what is held between two slabs. */
  release(): void {
    for (const each of [this.#calls, this.#stored, this.#factors]) each.release();
  }
}

/** Whole words of four bytes, as the device takes them. */
function inWords(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = bytes as Uint8Array<ArrayBuffer>;
  if (own.byteLength % 4 === 0) return own;
  const padded = new Uint8Array(4 * Math.ceil(own.byteLength / 4));
  padded.set(own);
  return padded;
}
