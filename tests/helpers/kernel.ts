/** Runs a kernel on a device and compares it with its CPU reference: every case, tuning and storage type. */
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { DeviceTensor, Dtype } from '../../src/engine/gpu/tensor.ts';
import { createTensor, readTensor, sizeOf, writeTensor } from '../../src/engine/gpu/tensor.ts';
import { GPUUsage } from '../../src/engine/gpu/usage.ts';
import {
  caseInputs,
  caseSituation,
  caseTensors,
  compare,
  tiersOf,
  tunings,
} from '../../src/engine/kernels/case.ts';
import type { Tier } from '../../src/engine/kernels/case.ts';
import {
  bindingsOf,
  boundTensors,
  uniformBytes,
  writeUniforms,
} from '../../src/engine/kernels/declare.ts';
import { outputOf, resolveValues } from '../../src/engine/kernels/kernel.ts';
import type { Arrays, Case, Kernel, Values } from '../../src/engine/kernels/kernel.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { splitGrid } from '../../src/engine/graph/split.ts';
import { testGpus } from './devices.ts';

/** Declares the sweep of `kernel` on every test adapter. */
export function sweepKernel(kernel: Kernel): void {
  for (const open of testGpus()) {
    describe(`${kernel.name} on ${open.name}`, () => {
      it.for(kernel.cases)('agrees with the CPU reference: $why', async (test, { skip }) => {
        const gpu = await open.gpu();
        const ways = waysToRun(kernel, test, gpu);
        for (const { tier, values } of ways) await checkCase(gpu, kernel, test, tier, values);
        if (ways.length === 0 && kernel.features)
          skip(`${open.name} has no ${kernel.features.join()}`);
        expect(ways.length, 'ways to run the case').toBeGreaterThan(0);
      });
    });
  }
}

type Way = { readonly tier: Tier; readonly values: Values };

/**
 * A case with every tuning in one tier, and in the others with the values that the kernel comes with. The tier is another one
 * for the next case, so that a kernel's cases meet every tuning in every tier; compiling them all for each would take minutes.
 * Where values go does not depend on how they are made: whether an output may lie over an input is told by one tuning for each
 * type that the two are stored as.
 */
function waysToRun(kernel: Kernel, test: Case, { caps }: Gpu): Way[] {
  const tiers = tiersOf(caps);
  const apart = kernel.cases.filter(({ over }) => over === undefined);
  const whole = apart.indexOf(test) % tiers.length;
  const hasEnough = apart.length >= tiers.length;
  const covered = new Set<Dtype | undefined>();
  return tiers.flatMap((tier, i) => {
    const situation = caseSituation(kernel, test, tier, caps);
    const all = tunings(kernel, situation, test.values);
    const usual = JSON.stringify(resolveValues(kernel, situation, test.values));
    const own = all.filter((values) => JSON.stringify(values) === usual);
    const ways = (some: readonly Values[]): Way[] => some.map((values) => ({ tier, values }));
    if (test.over === undefined)
      return ways(i === whole || !hasEnough || own.length === 0 ? all : own);
    const type = situation.dtypes[test.over];
    if (covered.has(type)) return [];
    covered.add(type);
    return ways([...own, ...all].slice(0, 1));
  });
}

async function checkCase(
  gpu: Gpu,
  kernel: Kernel,
  test: Case,
  tier: Tier,
  values: Values,
): Promise<void> {
  const inputs = caseInputs(kernel, test, tier);
  const want = kernel.cpu(inputs, test.dims, values);
  const got = await runKernel(gpu, kernel, test, tier, values, inputs);
  const tolerance = test.tolerance ?? kernel.tolerance[tier.storage === 'f16' ? 'f16' : 'f32'];
  for (const [name, reference] of Object.entries(want)) {
    const complaint = compare(got[name] ?? new Float32Array(), reference, tolerance);
    expect(
      complaint,
      `${kernel.name}.${name}, ${test.why}, ${tier.name}, ${JSON.stringify(values)}`,
    ).toBe('');
  }
}

/** Runs one call of a kernel; outputs start out poisoned, so that an unwritten value shows. */
async function runKernel(
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
  for (const { name, dtype } of caseTensors(kernel, test, tier)) {
    const shape = shapes[name];
    if (!shape) continue;
    const held = inputs[test.over && name === outputOf(kernel) ? test.over : name];
    const tensor = createTensor(device, name, shape, dtype);
    writeTensor(device, tensor, held ?? new Float32Array(sizeOf(shape)).fill(12345));
    tensors.set(name, tensor);
  }
  const dtypes = Object.fromEntries([...tensors].map(([name, { dtype }]) => [name, dtype]));
  const bound = boundTensors(kernel, dtypes, test.over);
  const { pipeline, layout } = await cacheOf(gpu).get({
    kernel,
    bound,
    arithmetic: tier.arithmetic,
    values,
  });
  device.pushErrorScope('validation');
  // A low ceiling on work cuts every larger grid in two or more, so that `p.base` is exercised.
  const { flops } = kernel.cost(test.dims);
  const grids = splitGrid(kernel.grid(test.dims, values), flops, {
    maxPerDimension: 65535,
    maxFlops: Math.max(1, flops / 2),
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  for (const { base, grid } of grids) {
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, test.dims, base);
    const uniforms = device.createBuffer({
      size: block.byteLength,
      usage: GPUUsage.uniform | GPUUsage.copyDst,
    });
    device.queue.writeBuffer(uniforms, 0, block.buffer);
    const resources: GPUBindingResource[] = bindingsOf(bound).map(({ name }) => ({
      buffer: tensors.get(name)!.buffer,
    }));
    const entries = [...resources, { buffer: uniforms }].map((resource, binding) => ({
      binding,
      resource,
    }));
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
    if (tensor && (role === 'out' || role === 'inout'))
      results[name] = await readTensor(device, tensor);
  }
  for (const { buffer } of tensors.values()) buffer.destroy();
  return results;
}

const caches = new WeakMap<Gpu, PipelineCache>();

function cacheOf(gpu: Gpu): PipelineCache {
  const cache = caches.get(gpu) ?? new PipelineCache(gpu.device);
  caches.set(gpu, cache);
  return cache;
}
