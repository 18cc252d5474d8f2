/** Device memory for weights: few large buffers, each exactly as large as what is put into it. */
import { withinMemory } from '../gpu/allocate.ts';
import type { Gpu } from '../gpu/device.ts';
import { EngineError } from '../gpu/errors.ts';
import { readBytes } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import { readAhead } from './byte-stream.ts';

/** Where bytes lie on the device. */
export type Place = { readonly buffer: GPUBuffer; readonly offset: number };

/** A buffer holds this much, or one weight that is larger. */
const BUFFER_BYTES = 256 * 2 ** 20;
const ALIGNMENT = 256;

/** Returns the bytes of the place that `bytes` take. */
export const placeBytes = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Owns the buffers. Sizes are announced before places are taken, so that no buffer is left half empty. */
export class WeightMemory {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];
  #announced: number[] = [];
  #free = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Bytes held on the device. */
  get bytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  /** Tells the sizes of the places that will be taken next, in their order. */
  announce(sizes: readonly number[]): void {
    this.#announced = sizes.map(placeBytes);
  }

  /** Resolves to the next place. Throws `gpu/limit` when no buffer can be that large, `gpu/memory` when there is no more. */
  async take(size: number): Promise<Place> {
    const need = placeBytes(size);
    const last = this.#buffers.at(-1);
    const offset = this.#free;
    const fits = last !== undefined && offset + need <= last.size;
    const buffer = fits ? last : await this.#grow(need);
    this.#announced.shift();
    this.#free = (fits ? offset : 0) + need;
    return { buffer, offset: fits ? offset : 0 };
  }

  /** Buffers so far. */
  get count(): number {
    return this.#buffers.length;
  }

  /** The buffers made after the first `count`, in order. */
  after(count: number): readonly GPUBuffer[] {
    return this.#buffers.slice(count);
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.length = 0;
    this.#free = 0;
  }

  async #grow(need: number): Promise<GPUBuffer> {
    const { device, caps } = this.#gpu;
    if (need > caps.maxBufferBytes) {
      throw new EngineError(
        'gpu/limit',
        `weight of ${need} bytes — this device allows ${caps.maxBufferBytes}`,
        { have: caps.maxBufferBytes, need },
      );
    }
    const most = Math.min(BUFFER_BYTES, caps.maxBufferBytes);
    let size = need;
    for (const next of this.#announced.slice(1)) {
      if (size + next > most) break;
      size += next;
    }
    const label = `weights ${this.#buffers.length}`;
    const usage = GPUUsage.storage | GPUUsage.copyDst | GPUUsage.copySrc;
    const create = (): GPUBuffer => device.createBuffer({ label, size, usage });
    const buffer = await withinMemory(device, label, size, create);
    this.#buffers.push(buffer);
    return buffer;
  }
}

/** Yields the first `size` bytes of `buffer` in pieces; the next ones are on their way while one is worked on. */
export function readBuffer(
  device: GPUDevice,
  buffer: GPUBuffer,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    const shape = [(end - start) / 4];
    const { label } = buffer;
    const part = { label, shape, dtype: 'u32', buffer, offset: start } as const;
    return new Uint8Array(await readBytes(device, part));
  };
  return readAhead({ read }, 0, size);
}
