/** Quantises weights on the way in: values go to the device in slabs of rows, integers and scales stay there. */
import type { IntegerType } from '../gpu/integers.ts';
import { scalesPerRow } from '../gpu/integers.ts';
import type { DeviceTensor, Dtype, Shape } from '../gpu/tensor.ts';
import { bytesOf, createTensor, packTensor } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import { boundTensors, uniformBytes, writeUniforms } from '../kernels/declare.ts';
import { PipelineCache } from '../kernels/pipelines.ts';
import { quantiseKernel } from '../kernels/quantise-groups.ts';

export type Place = { readonly buffer: GPUBuffer; readonly offset: number };

/** Values that are on the device as f32 at one time. */
const SLAB_VALUES = 2 ** 23;
const MOST_ROWS = 65535;

/** Makes integers out of weights on one device. */
export class Quantiser {
  readonly #device: GPUDevice;
  readonly #pipelines: PipelineCache;

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#pipelines = new PipelineCache(device);
  }

  /** Resolves when the work is submitted that writes `values` [N, K] as integers and scales to their places. */
  async write(
    values: Float32Array,
    [N = 1, K = 1]: Shape,
    dtype: IntegerType,
    to: { readonly q: Place; readonly scales: Place },
  ): Promise<void> {
    const groups = scalesPerRow(dtype, K);
    const rows = Math.max(1, Math.min(N, MOST_ROWS, Math.floor(SLAB_VALUES / K)));
    const kernel = quantiseKernel(dtype);
    const bound = boundTensors(kernel, { x: 'f32', q: dtype, scale: 'f16' });
    const variant = { kernel, bound, arithmetic: 'f32', values: {} } as const;
    const { pipeline, layout } = await this.#pipelines.get(variant);
    const create = (name: string, shape: Shape, type: Dtype): DeviceTensor =>
      createTensor(this.#device, `quantise/${name}`, shape, type);
    const x = create('x', [rows, K], 'f32');
    const q = create('q', [rows, K], dtype);
    const scales = create('scale', [rows, groups], 'f16');
    const uniforms = this.#device.createBuffer({
      label: 'quantise/uniforms',
      size: uniformBytes(kernel),
      usage: GPUUsage.uniform | GPUUsage.copyDst,
    });
    const resources = [x, q, scales, { buffer: uniforms }].map(({ buffer }) => ({ buffer }));
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    const bindGroup = this.#device.createBindGroup({ label: kernel.name, layout, entries });
    for (let first = 0; first < N; first += rows) {
      const dims = { M: Math.min(rows, N - first), K };
      const part = values.subarray(first * K, (first + dims.M) * K);
      const slab = packTensor(part, [dims.M, K], 'f32');
      this.#device.queue.writeBuffer(x.buffer, 0, slab);
      const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
      writeUniforms(block, 0, kernel, dims, [0, 0, 0]);
      this.#device.queue.writeBuffer(uniforms, 0, block.buffer);
      const encoder = this.#device.createCommandEncoder({ label: kernel.name });
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...kernel.grid(dims, {}));
      pass.end();
      copyRows(encoder, q, to.q, first, dims.M);
      copyRows(encoder, scales, to.scales, first, dims.M);
      this.#device.queue.submit([encoder.finish()]);
    }
    for (const { buffer } of resources) buffer.destroy();
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
