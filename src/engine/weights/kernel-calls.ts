/** Single calls of kernels outside of any graph, and the buffers that they work in. */
import { GPUUsage } from '../gpu/usage.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { boundTensors, uniformBytes, writeUniforms } from '../kernels/declare.ts';
import type { Dims, Kernel, Values } from '../kernels/kernel.ts';
import { PipelineCache } from '../kernels/pipelines.ts';

/** A stretch of a buffer that a call reads or writes; `offset` is a multiple of 256. */
export type Bound = {
  readonly dtype: Dtype;
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  /** Where left out, the rest of the buffer is bound. */
  readonly size?: number;
};

const caches = new WeakMap<GPUDevice, PipelineCache>();

function cacheOf(device: GPUDevice): PipelineCache {
  const cache = caches.get(device) ?? new PipelineCache(device);
  caches.set(device, cache);
  return cache;
}

/** Calls of kernels on one device. */
export class KernelCalls {
  readonly #device: GPUDevice;
  readonly #uniforms = new Map<string, GPUBuffer>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Takes what calls of a kernel need. */
  reserve(kernel: Kernel): void {
    this.#uniformsOf(kernel);
  }

  /**
   * Resolves to what adds a call to a pass. Its dims are written at once: submit the pass before the next call of the
   * same kernel is prepared.
   */
  async prepare(
    kernel: Kernel,
    tensors: Readonly<Record<string, Bound | undefined>>,
    dims: Dims,
    values: Values = {},
  ): Promise<(pass: GPUComputePassEncoder) => void> {
    const dtypes = Object.entries(tensors).map(([name, each]) => [name, each?.dtype] as const);
    const bound = boundTensors(kernel, Object.fromEntries(dtypes));
    const variant = { kernel, bound, arithmetic: 'f32', values } as const;
    const { pipeline, layout } = await cacheOf(this.#device).get(variant);
    const uniforms = this.#uniformsOf(kernel);
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, dims, [0, 0, 0]);
    this.#device.queue.writeBuffer(uniforms, 0, block.buffer);
    const resources = bound.flatMap(({ name }) => {
      const { buffer, offset = 0, size } = tensors[name] ?? {};
      return buffer ? [{ buffer, offset, ...(size !== undefined && { size }) }] : [];
    });
    const entries = [...resources, { buffer: uniforms }].map((resource, binding) => ({
      ...{ binding, resource },
    }));
    const bindGroup = this.#device.createBindGroup({ label: kernel.name, layout, entries });
    return (pass) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...kernel.grid(dims, values));
    };
  }

  /** Frees what is held between two calls. */
  release(): void {
    for (const buffer of this.#uniforms.values()) buffer.destroy();
    this.#uniforms.clear();
  }

  #uniformsOf(kernel: Kernel): GPUBuffer {
    const { name } = kernel;
    const known = this.#uniforms.get(name);
    if (known) return known;
    const usage = GPUUsage.uniform | GPUUsage.copyDst;
    const size = uniformBytes(kernel);
    const made = this.#device.createBuffer({ label: `${name}/uniforms`, size, usage });
    this.#uniforms.set(name, made);
    return made;
  }
}

/** A buffer that becomes as large as is asked for; what it held is gone then. */
export class Scratch {
  readonly #device: GPUDevice;
  readonly #label: string;
  #buffer: GPUBuffer | undefined;

  constructor(device: GPUDevice, label: string) {
    this.#device = device;
    this.#label = label;
  }

  /** Returns a buffer of `bytes` or more. */
  atLeast(bytes: number): GPUBuffer {
    if (this.#buffer && this.#buffer.size >= bytes) return this.#buffer;
    this.release();
    const size = Math.max(16, bytes);
    const usage = GPUUsage.storage | GPUUsage.copySrc | GPUUsage.copyDst;
    this.#buffer = this.#device.createBuffer({ label: this.#label, size, usage });
    return this.#buffer;
  }

  release(): void {
    this.#buffer?.destroy();
    this.#buffer = undefined;
  }
}
