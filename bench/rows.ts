/** The bench rows of all kernels: checked against the CPU reference first, then timed. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { readTensor } from '../src/engine/gpu/tensor.ts';
import { caseInputs, caseSituation, compare, tiersOf } from '../src/engine/kernels/case.ts';
import type { Tier } from '../src/engine/kernels/case.ts';
import { kernels } from '../src/engine/kernels/index.ts';
import type { Case, Kernel, Values } from '../src/engine/kernels/kernel.ts';
import { resolveValues } from '../src/engine/kernels/kernel.ts';
import type { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { suits } from '../src/engine/kernels/select.ts';
import { prepareCall } from './kernel-call.ts';
import { timeWork } from './timing.ts';

export type Row = { readonly kernel: Kernel; readonly test: Case; readonly tier: Tier };

export type Speed = { readonly gflops: number; readonly gigabytes: number };

export type Measured = Speed & {
  readonly ms: number;
  readonly samples: number;
  readonly repeats: number;
  readonly tuning: Values;
};

/** A call that takes longer at once may be taken for a hang by browser or driver. */
const LONGEST_CALL_MS = 4000;

/** Returns the rows that the device can run. */
export const rowsFor = ({ caps }: Gpu): Row[] =>
  kernels.flatMap((kernel) =>
    kernel.bench
      .flatMap((test) => tiersOf(caps).map((tier) => ({ kernel, test, tier })))
      .filter(({ test, tier }) => {
        const situation = caseSituation(kernel, test, tier, caps);
        return suits(kernel, resolveValues(kernel, situation, test.values), situation);
      }),
  );

/** Bytes that a call moves: the descriptor counts two a value, as stored in f16. */
const bytesOf = ({ kernel, test, tier }: Row): number =>
  kernel.cost(test.dims).bytes * (tier.storage === 'f16' ? 1 : 2);

/** Returns how long a call would take at the speed given, in milliseconds. */
const expectedMs = (row: Row, { gflops, gigabytes }: Speed): number =>
  row.kernel.cost(row.test.dims).flops / gflops / 1e6 + bytesOf(row) / gigabytes / 1e6;

/**
 * Resolves to the figures of a row, or to the reason why it is left out at the device's `speed`.
 * Throws an `Error` when a small case with the same tuning is wrong.
 */
export async function measureRow(
  gpu: Gpu,
  pipelines: PipelineCache,
  row: Row,
  speed: Speed,
  seconds: number,
): Promise<Measured | { readonly leftOut: string }> {
  const { kernel, test, tier } = row;
  const expected = expectedMs(row, speed);
  if (expected > LONGEST_CALL_MS) {
    return { leftOut: `one call would take about ${Math.round(expected / 1000)} s here` };
  }
  const values = resolveValues(kernel, caseSituation(kernel, test, tier, gpu.caps), test.values);
  const tuning = Object.fromEntries(
    Object.keys(kernel.tune).map((name) => [name, values[name] ?? 0]),
  );
  await checkCases(gpu, pipelines, row, tuning);
  const call = await prepareCall({ gpu, pipelines, kernel, test, tier, values });
  try {
    const timing = await timeWork(gpu, (pass) => call.encode(pass), seconds);
    const { flops } = kernel.cost(test.dims);
    const perSecond = 1 / timing.ms / 1e6;
    return { ...timing, tuning, gflops: flops * perSecond, gigabytes: bytesOf(row) * perSecond };
  } finally {
    call.destroy();
  }
}

async function checkCases(
  gpu: Gpu,
  pipelines: PipelineCache,
  { kernel, tier }: Row,
  tuning: Values,
): Promise<void> {
  for (const test of kernel.cases) {
    const values = resolveValues(kernel, caseSituation(kernel, test, tier, gpu.caps), {
      ...tuning,
      ...test.values,
    });
    const inputs = caseInputs(kernel, test, tier);
    const call = await prepareCall({ gpu, pipelines, kernel, test, tier, values, inputs });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    call.encode(pass);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const tolerance = test.tolerance ?? kernel.tolerance[tier.storage === 'f16' ? 'f16' : 'f32'];
    for (const [name, want] of Object.entries(kernel.cpu(inputs, test.dims, values))) {
      const tensor = call.outputs.get(name);
      const got = tensor ? await readTensor(gpu.device, tensor) : new Float32Array();
      const complaint = compare(got, want, tolerance);
      if (complaint) throw new Error(`${kernel.name}.${name} is wrong (${test.why}): ${complaint}`);
    }
    call.destroy();
  }
}
