/** One call of a kernel with tensors of its own, ready to be encoded any number of times. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { createTensor, sizeOf, writeTensor } from '../src/engine/gpu/tensor.ts';
import type { DeviceTensor, Shape } from '../src/engine/gpu/tensor.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';
import { splitGrid } from '../src/engine/graph/split.ts';
import { caseTensors, seeded } from '../src/engine/kernels/case.ts';
import type { Tier } from '../src/engine/kernels/case.ts';
import {
  bindingsOf,
  boundTensors,
  uniformBytes,
  writeUniforms,
} from '../src/engine/kernels/declare.ts';
import type { Arrays, Case, Kernel, Values } from '../src/engine/kernels/kernel.ts';
import type { PipelineCache } from '../src/engine/kernels/pipelines.ts';

export type KernelCall = {
  encode(pass: GPUComputePassEncoder): void;
  /** Tensors that the kernel writes, by binding name. */
  readonly outputs: ReadonlyMap<string, DeviceTensor>;
  destroy(): void;
};

export type CallOptions = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly kernel: Kernel;
  readonly test: Case;
  readonly tier: Tier;
  readonly values: Values;
  /** Values of the inputs; absent = a repeated pattern, or the case's own fill. */
  readonly inputs?: Arrays;
};

/** Values in the pattern that fills large inputs. */
const PATTERN = 2 ** 16;

/** Resolves to the call. Throws `gpu/limit` when a tensor does not fit, `shader/compile`. */
export async function prepareCall(options: CallOptions): Promise<KernelCall> {
  const { gpu, pipelines, kernel, test, tier, values } = options;
  const { device } = gpu;
  const tensors = createTensors(options);
  const dtypes = Object.fromEntries([...tensors].map(([name, { dtype }]) => [name, dtype]));
  const bound = boundTensors(kernel, dtypes, test.over);
  const variant = { kernel, bound, arithmetic: tier.arithmetic, values };
  const { pipeline, layout } = await pipelines.get(variant);
  const grids = splitGrid(kernel.grid(test.dims, values), 0, {
    maxPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
    maxFlops: Infinity,
  });
  const buffers = bindingsOf(bound).flatMap(({ name }) => tensors.get(name)?.buffer ?? []);
  const uniforms: GPUBuffer[] = [];
  const parts = grids.map(({ base, grid }) => {
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, test.dims, base);
    const size = block.byteLength;
    const uniform = device.createBuffer({ size, usage: GPUUsage.uniform | GPUUsage.copyDst });
    device.queue.writeBuffer(uniform, 0, block.buffer);
    uniforms.push(uniform);
    const entries = [...buffers, uniform].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    return { grid, bindGroup: device.createBindGroup({ label: kernel.name, layout, entries }) };
  });
  return {
    encode(pass) {
      pass.setPipeline(pipeline);
      for (const { grid, bindGroup } of parts) {
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...grid);
      }
    },
    outputs: new Map([...tensors].filter(([name]) => isWritten(kernel, name))),
    destroy() {
      for (const { buffer } of tensors.values()) buffer.destroy();
      for (const buffer of uniforms) buffer.destroy();
    },
  };
}

const isWritten = (kernel: Kernel, name: string): boolean =>
  kernel.tensors[name]?.role === 'out' || kernel.tensors[name]?.role === 'inout';

function createTensors({
  gpu,
  kernel,
  test,
  tier,
  inputs,
}: CallOptions): Map<string, DeviceTensor> {
  const shapes = kernel.shapes(test.dims);
  const tensors = new Map<string, DeviceTensor>();
  for (const { name, role, dtype } of caseTensors(kernel, test, tier)) {
    const shape = shapes[name];
    if (!shape) continue;
    const tensor = createTensor(gpu.device, name, shape, dtype);
    tensors.set(name, tensor);
    const read = role === 'out' ? test.over : name;
    const given = read === undefined ? undefined : inputs?.[read];
    if (given) writeTensor(gpu.device, tensor, given);
    else if (read !== undefined) writeTensor(gpu.device, tensor, patternFor(read, shape, test));
  }
  return tensors;
}

function patternFor(name: string, shape: Shape, { fill }: Case): Float32Array {
  const size = sizeOf(shape);
  if (fill) return Float32Array.from({ length: size }, (_, i) => fill(name, i));
  const values = new Float32Array(size);
  for (let i = 0; i < Math.min(size, PATTERN); i++) values[i] = seeded(name, i);
  for (let filled = PATTERN; filled < size; filled *= 2) values.copyWithin(filled, 0, filled);
  return values;
}
