/** Quantises weights on the way in: values go to the device in slabs of rows, integers and scales stay there. */
import type { IntegerType } from '../gpu/integers.ts';
import { scalesPerRow } from '../gpu/integers.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, createTensor, packTensor } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import { boundTensors, uniformBytes, writeUniforms } from '../kernels/declare.ts';
import { PipelineCache } from '../kernels/pipelines.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { quantiseKernel } from '../kernels/quantise-groups.ts';
import { SLAB_VALUES } from './slabs.ts';
import type { Place } from './weight-memory.ts';

/** What one slab after another goes through: values, integers and scales of `rows` rows at most. */
type Scratch = {
  readonly dtype: IntegerType;
  readonly rows: number;
  readonly K: number;
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly x: DeviceTensor;
  readonly q: DeviceTensor;
  readonly scales: DeviceTensor;
  readonly uniforms: GPUBuffer;
};

/** Returns the bytes that quantising a matrix [rows, K] takes beside it, slab after slab. */
export function scratchBytes(rows: number, K: number, dtype: IntegerType): number {
  const M = Math.min(rows, Math.max(1, Math.floor(SLAB_VALUES / K)));
  const uniforms = uniformBytes(quantiseKernel(dtype));
  const scales = bytesOf([M, scalesPerRow(dtype, K)], 'f16');
  return bytesOf([M, K], 'f32') + bytesOf([M, K], dtype) + scales + uniforms;
}

/** Makes integers out of weights on one device. */
export class Quantiser {
  readonly #device: GPUDevice;
  readonly #pipelines: PipelineCache;
  #scratch: Scratch | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#pipelines = new PipelineCache(device);
  }

  /**
   * Resolves when the work is submitted that writes `values` [M, K], rows `first` and following of a matrix, as integers
   * to `q`, and their scales behind those of the rows before, which begin at `scales`.
   */
  async write(
    values: Float32Array,
    [M, K]: readonly [number, number],
    dtype: IntegerType,
    to: { readonly q: Place; readonly scales: Place; readonly first: number },
  ): Promise<void> {
    const scratch = await this.#scratchFor(M, K, dtype);
    const { kernel, x, q, scales, uniforms } = scratch;
    const dims = { M, K };
    const { queue } = this.#device;
    const whole = values.length % 4 === 0 && K % 4 === 0; // no padding to put in
    const slab = whole ? (values as Float32Array<ArrayBuffer>) : packTensor(values, [M, K], 'f32');
    queue.writeBuffer(x.buffer, 0, slab);
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, dims, [0, 0, 0]);
    queue.writeBuffer(uniforms, 0, block.buffer);
    const encoder = this.#device.createCommandEncoder({ label: kernel.name });
    const pass = encoder.beginComputePass();
    pass.setPipeline(scratch.pipeline);
    pass.setBindGroup(0, scratch.bindGroup);
    pass.dispatchWorkgroups(...kernel.grid(dims, {}));
    pass.end();
    copyRows(encoder, q, to.q, 0, M);
    copyRows(encoder, scales, to.scales, to.first, M);
    queue.submit([encoder.finish()]);
  }

  /** Frees what is held between two slabs. */
  release(): void {
    if (!this.#scratch) return;
    const { x, q, scales, uniforms } = this.#scratch;
    for (const buffer of [x.buffer, q.buffer, scales.buffer, uniforms]) buffer.destroy();
    this.#scratch = undefined;
  }

  async #scratchFor(rows: number, K: number, dtype: IntegerType): Promise<Scratch> {
    const known = this.#scratch;
    if (known && known.dtype === dtype && known.K === K && known.rows >= rows) return known;
    this.release();
    const kernel = quantiseKernel(dtype);
    const bound = boundTensors(kernel, { x: 'f32', q: dtype, scale: 'f16' });
    const variant = { kernel, bound, arithmetic: 'f32', values: {} } as const;
    const { pipeline, layout } = await this.#pipelines.get(variant);
    const create = (name: string, shape: Shape, type: Dtype): DeviceTensor =>
      createTensor(this.#device, `quantise/${name}`, shape, type);
    const x = create('x', [rows, K], 'f32');
    const q = create('q', [rows, K], dtype);
    const scales = create('scale', [rows, scalesPerRow(dtype, K)], 'f16');
    const uniforms = this.#device.createBuffer({
      label: 'quantise/uniforms',
      size: uniformBytes(kernel),
      usage: GPUUsage.uniform | GPUUsage.copyDst,
    });
    const buffers = [x.buffer, q.buffer, scales.buffer, uniforms];
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const bindGroup = this.#device.createBindGroup({ label: kernel.name, layout, entries });
    const parts = { kernel, pipeline, bindGroup, x, q, scales, uniforms };
    this.#scratch = { dtype, rows, K, ...parts };
    return this.#scratch;
  }
}

/** Copies the first `rows` rows of `from` to where rows `first` … of the whole tensor lie. */
function copyRows(
  encoder: GPUCommandEncoder,
  { buffer, shape, dtype }: DeviceTensor,
  to: Place,
  first: number,
  rows: number,
): void {
  const rowBytes = bytesOf([1, shape.at(-1) ?? 1], dtype);
  const at = to.offset + first * rowBytes;
  encoder.copyBufferToBuffer(buffer, 0, to.buffer, at, rows * rowBytes);
}
