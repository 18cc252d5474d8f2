/** Runs a kernel on a device and compares it with its CPU reference: every case, tuning and storage type. */
import { describe, expect, it } from 'vitest';
import type { Capabilities, Gpu } from '../../src/engine/gpu/device.ts';
import type { DeviceTensor, Dtype } from '../../src/engine/gpu/tensor.ts';
import { createTensor, readTensor, sizeOf, unpackTensor, packTensor, writeTensor } from '../../src/engine/gpu/tensor.ts';
import { GPUUsage } from '../../src/engine/gpu/usage.ts';
import { boundTensors, uniformBytes, writeUniforms } from '../../src/engine/kernels/declare.ts';
import type { Arithmetic } from '../../src/engine/kernels/declare.ts';
import type { Arrays, Case, Kernel, Tolerance, Values } from '../../src/engine/kernels/kernel.ts';
import { resolveValues } from '../../src/engine/kernels/kernel.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { splitGrid } from '../../src/engine/graph/split.ts';
import { testGpus } from './devices.ts';

export type Tier = { readonly name: string; readonly storage: Dtype; readonly arithmetic: Arithmetic };

/** The tiers that a device can run: plain f32, f16 storage with f32 arithmetic, f16 storage and arithmetic. */
export function tiersOf(caps: Capabilities): Tier[] {
  const tiers: Tier[] = [
    { name: 'f32', storage: 'f32', arithmetic: 'f32' },
    { name: 'f32 over f16', storage: 'f16', arithmetic: 'f32' },
  ];
  return caps.f16 ? [...tiers, { name: 'f16', storage: 'f16', arithmetic: 'f16' }] : tiers;
}

/** All combinations of the tunable values. */
export function tunings(kernel: Kernel): Values[] {
  return Object.entries(kernel.tune).reduce<Values[]>(
    (all, [name, choices]) => all.flatMap((values) => choices.map((choice) => ({ ...values, [name]: choice }))),
    [{}],
  );
}

/** Values in -1..1 that look random and depend on `name` and `i` alone. */
export function seeded(name: string, i: number): number {
  let h = (i + 1) * 0x9e3779b1;
  for (const c of name) h = Math.imul(h ^ c.charCodeAt(0), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 31 - 1;
}

/** Declares the sweep of `kernel` on every test adapter. */
export function sweepKernel(kernel: Kernel): void {
  for (const open of testGpus()) {
    describe(`${kernel.name} on ${open.name}`, () => {
      it.each(kernel.cases.map((test) => [test.why, test] as const))('agrees with the CPU reference: %s', async (_, test) => {
        const gpu = await open.gpu();
        for (const tier of tiersOf(gpu.caps)) {
          for (const tune of tunings(kernel)) await checkCase(gpu, kernel, test, tier, tune);
        }
      });
    });
  }
}

async function checkCase(gpu: Gpu, kernel: Kernel, test: Case, tier: Tier, tune: Values): Promise<void> {
  const values = resolveValues(kernel, test.dims, gpu.caps, { ...tune, ...test.values });
  const inputs = caseInputs(kernel, test, tier);
  const want = kernel.cpu(inputs, test.dims, values);
  const got = await runKernel(gpu, kernel, test, tier, values, inputs);
  const tolerance = test.tolerance ?? kernel.tolerance[tier.storage === 'f16' ? 'f16' : 'f32'];
  for (const [name, reference] of Object.entries(want)) {
    const complaint = compare(got[name] ?? new Float32Array(), reference, tolerance);
    expect(complaint, `${kernel.name}.${name}, ${test.why}, ${tier.name}, ${JSON.stringify(tune)}`).toBe('');
  }
}

/** Returns the inputs of a case, rounded to what the tier stores. */
export function caseInputs(kernel: Kernel, test: Case, tier: Tier): Arrays {
  const shapes = kernel.shapes(test.dims);
  return Object.fromEntries(
    Object.entries(kernel.tensors).flatMap(([name, spec]) => {
      const shape = shapes[name];
      if (spec.role === 'out' || test.absent?.includes(name) || !shape) return [];
      const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (test.fill ?? seeded)(name, i));
      const dtype = spec.dtype ?? tier.storage;
      const stored = unpackTensor(packTensor(values, shape, dtype).buffer, shape, dtype);
      return [[name, stored] as const];
    }),
  );
}

/** Runs one call of a kernel; outputs start out poisoned, so that an unwritten value shows. */
export async function runKernel(
  gpu: Gpu,
  kernel: Kernel,
  test: Case,
  tier: Tier,
  values: Values,
  inputs: Arrays,
): Promise<Record<string, Float32Array>> {
  const { device } = gpu;
  const shapes = kernel.shapes(test.dims);
  const tensors = new Map<string, DeviceTensor>();
  for (const [name, spec] of Object.entries(kernel.tensors)) {
    const shape = shapes[name];
    if (test.absent?.includes(name) || !shape) continue;
    const tensor = createTensor(device, name, shape, spec.dtype ?? tier.storage);
    writeTensor(device, tensor, inputs[name] ?? new Float32Array(sizeOf(shape)).fill(12345));
    tensors.set(name, tensor);
  }
  const bound = boundTensors(kernel, Object.fromEntries([...tensors].map(([name, { dtype }]) => [name, dtype])));
  const { pipeline, layout } = await cacheOf(gpu).get({ kernel, bound, arithmetic: tier.arithmetic, values });
  device.pushErrorScope('validation');
  // A low ceiling on work cuts every larger grid in two or more, so that `p.base` is exercised.
  const { flops } = kernel.cost(test.dims);
  const grids = splitGrid(kernel.grid(test.dims, values), flops, { maxPerDimension: 65535, maxFlops: Math.max(1, flops / 2) });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  for (const { base, grid } of grids) {
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, test.dims, base);
    const uniforms = device.createBuffer({ size: block.byteLength, usage: GPUUsage.uniform | GPUUsage.copyDst });
    device.queue.writeBuffer(uniforms, 0, block.buffer);
    const resources: GPUBindingResource[] = bound.map(({ name }) => ({ buffer: tensors.get(name)!.buffer }));
    const entries = [...resources, { buffer: uniforms }].map((resource, binding) => ({ binding, resource }));
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...grid);
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
  const error = await device.popErrorScope();
  expect(error?.message ?? '', `${kernel.name}: validation`).toBe('');
  const results: Record<string, Float32Array> = {};
  for (const [name, { role }] of Object.entries(kernel.tensors)) {
    const tensor = tensors.get(name);
    if (tensor && (role === 'out' || role === 'inout')) results[name] = await readTensor(device, tensor);
  }
  for (const { buffer } of tensors.values()) buffer.destroy();
  return results;
}

const caches = new WeakMap<Gpu, PipelineCache>();

function cacheOf(gpu: Gpu): PipelineCache {
  const cache = caches.get(gpu) ?? new PipelineCache(gpu);
  caches.set(gpu, cache);
  return cache;
}

/** Returns '' when all values agree, else how many differ and the worst of them. Not-a-number never agrees. */
export function compare(got: Float32Array, want: Float32Array, { abs, rel }: Tolerance): string {
  if (got.length !== want.length) return `${got.length} values, want ${want.length}`;
  let wrong = 0;
  let worst = -1;
  let worstBy = 0;
  want.forEach((value, i) => {
    const by = Math.abs((got[i] ?? NaN) - value) / (abs + rel * Math.abs(value));
    if (by <= 1) return;
    wrong++;
    if (worst < 0 || Number.isNaN(by) || by > worstBy) [worst, worstBy] = [i, by];
  });
  return wrong === 0 ? '' : `${wrong} of ${want.length} differ, worst at ${worst}: got ${got[worst]}, want ${want[worst]}`;
}
