/** Quantises weights on the way in: values that lie on the device become integers and scales there. */
import type { IntegerType } from '../gpu/integers.ts';
import { scalesPerRow } from '../gpu/integers.ts';
import { bytesOf } from '../gpu/tensor.ts';
import { quantiseKernel } from '../kernels/quantise-groups.ts';
import { KernelCalls, Scratch } from './kernel-calls.ts';
import type { Place } from './weight-memory.ts';

type RowsAndWidth = readonly [M: number, K: number];

/** Makes integers out of weights on one device, some rows at a time. */
export class Quantiser {
  readonly #calls: KernelCalls;
  readonly #values: Scratch;
  readonly #integers: Scratch;
  readonly #scales: Scratch;

  constructor(device: GPUDevice) {
    this.#calls = new KernelCalls(device);
    this.#values = new Scratch(device, 'quantise/x');
    this.#integers = new Scratch(device, 'quantise/q');
    this.#scales = new Scratch(device, 'quantise/scale');
  }

  /** Takes what rows [M, K] need, and returns where their values are expected as f32. */
  reserve([M, K]: RowsAndWidth, dtype: IntegerType): Place {
    this.#calls.reserve(quantiseKernel(dtype));
    this.#integers.atLeast(bytesOf([M, K], dtype));
    this.#scales.atLeast(bytesOf([M, scalesPerRow(dtype, K)], 'f16'));
    return { buffer: this.#values.atLeast(bytesOf([M, K], 'f32')), offset: 0 };
  }

  /**
   * Resolves to the calls that make rows `first` and following of a matrix: from the values that were reserved, integers at
   * `q`, and scales behind those of the rows before, which begin at `scales`.
   */
  async prepare(
    [M, K]: RowsAndWidth,
    dtype: IntegerType,
    to: { readonly q: Place; readonly scales: Place; readonly first: number },
  ): Promise<{
    readonly quantise: (pass: GPUComputePassEncoder) => void;
    readonly copy: (encoder: GPUCommandEncoder) => void;
  }> {
    const x = this.reserve([M, K], dtype).buffer;
    const [qBytes, scaleBytes] = [
      bytesOf([M, K], dtype),
      bytesOf([M, scalesPerRow(dtype, K)], 'f16'),
    ];
    const [q, scale] = [this.#integers.atLeast(qBytes), this.#scales.atLeast(scaleBytes)];
    const kernel = quantiseKernel(dtype);
    const tensors = {
      x: { dtype: 'f32', buffer: x },
      q: { dtype, buffer: q },
      scale: { dtype: 'f16', buffer: scale },
    } as const;
    const scalesAt = to.scales.offset + to.first * (scaleBytes / M);
    return {
      quantise: await this.#calls.prepare(kernel, tensors, { M, K }),
      copy: (encoder) => {
        encoder.copyBufferToBuffer(q, 0, to.q.buffer, to.q.offset, qBytes);
        encoder.copyBufferToBuffer(scale, 0, to.scales.buffer, scalesAt, scaleBytes);
      },
    };
  }

  /** Frees what is held between two slabs. */
  release(): void {
    for (const each of [this.#calls, this.#values, this.#integers, this.#scales]) each.release();
  }
}
