/**
 * `npm run calibrate -- CASE`: quantises one layer of a network after the other, measures what each does to the output,
 * and writes the policy that keeps the most sensitive ones in f16. A case is a folder as for `npm run verify`.
 */
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { isIntegerType } from '../src/engine/gpu/integers.ts';
import type { IntegerType } from '../src/engine/gpu/integers.ts';
import type { Gpu } from '../src/engine/gpu/device.ts';
import type { WeightPolicy } from '../src/engine/graph/graph.ts';
import { Executor } from '../src/engine/graph/replay.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import type { PolicyFile } from '../src/engine/weights/policy.ts';
import { policyFrom } from '../src/engine/weights/policy.ts';
import type { Layer } from './calibrate/sensitivity.ts';
import { expectedError, layersToKeep } from './calibrate/sensitivity.ts';
import { ADAPTERS, openAdapter, usualAdapter } from './verify/adapter.ts';
import type { Output } from './verify/case.ts';
import { CHECKERS } from './verify/checkers.ts';
import { openCase } from './verify/find-cases.ts';

const HELP = `npm run calibrate -- CASE... [options]

Quantises one layer of a network after the other, measures what each does to the output of one call, and states the
policy that keeps the most sensitive layers in f16. A case is a folder with config.json, weights and io.safetensors.

  --weights T    i4 (default; groups of 32), i4x64 or i8
  --keep S       share of the weights that may stay in f16 (default 0.1)
  --out FILE     write the policy as JSON (one case): for npm run verify -- --policy FILE
  --adapter A    lavapipe, swiftshader or default
  --help         this text`;

type Run = (quantise: WeightPolicy) => Promise<readonly Output[]>;

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      weights: { type: 'string', default: 'i4' },
      keep: { type: 'string', default: '0.1' },
      out: { type: 'string' },
      adapter: { type: 'string', default: usualAdapter() },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const { weights, out } = values;
  const keep = Number(values.keep);
  const adapter = ADAPTERS.find((name) => name === values.adapter);
  if (!isIntegerType(weights)) throw new Error(`--weights: got ${weights}, needs i8, i4 or i4x64`);
  if (!(keep >= 0 && keep <= 1)) throw new Error(`--keep: got ${values.keep}, needs 0 to 1`);
  if (!adapter) throw new Error(`--adapter: got ${values.adapter}, needs ${ADAPTERS.join(', ')}`);
  if (positionals.length === 0) throw new Error('no case given: see --help');
  if (out !== undefined && positionals.length > 1) throw new Error('--out takes one case');
  const gpu = await openAdapter(adapter);
  try {
    for (const folder of positionals) {
      const policy = await calibrateCase(gpu, folder, weights, keep);
      if (out !== undefined) await writeFile(out, `${JSON.stringify(policy, undefined, 2)}\n`);
    }
  } finally {
    gpu.destroy();
  }
}

/** Runs the case at f16, then with each layer quantised, then by the policy found; prints what each does. */
async function calibrateCase(
  gpu: Gpu,
  folder: string,
  weights: IntegerType,
  keep: number,
): Promise<PolicyFile> {
  const files = await openCase(folder);
  try {
    const checker = CHECKERS.find(({ matches }) => matches(files.config, files.io.names()));
    if (!checker) throw new Error(`${folder}: unknown kind of case`);
    const shared = { gpu, pipelines: new PipelineCache(gpu.device), executor: new Executor(gpu) };
    const run: Run = async (quantise) => {
      const context = {
        ...files,
        ...shared,
        precision: 'f16',
        level: 'f16',
        blocks: false,
      } as const;
      return checker.run({ ...context, quantise });
    };
    return await calibrate(basename(folder), run, weights, keep);
  } finally {
    await files.close();
  }
}

async function calibrate(
  name: string,
  run: Run,
  weights: IntegerType,
  keep: number,
): Promise<PolicyFile> {
  const sizes = new Map<string, number>();
  const exact = await run((key, shape) => {
    sizes.set(
      key,
      shape.reduce((a, b) => a * b, 1),
    );
    return undefined;
  });
  const errorOf = async (quantise: WeightPolicy): Promise<number> =>
    relativeError(await run(quantise), exact);
  const layers: Layer[] = [];
  for (const [key, size] of sizes)
    layers.push({
      key,
      size,
      error: await errorOf((other) => (other === key ? weights : undefined)),
    });
  const kept = layersToKeep(layers, keep);
  const except = Object.fromEntries(kept.map(({ key }) => [key, 'f16' as const]));
  const policy: PolicyFile = { weights, except };
  const all = await errorOf(() => weights);
  const calibrated = await errorOf(policyFrom(policy));
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const share = kept.reduce((sum, { size }) => sum + size, 0) / total;
  for (const { key, size, error } of layers.toSorted((a, b) => b.error - a.error)) {
    const mark = key in except ? 'f16' : weights;
    console.log(
      `${error.toExponential(1)}  ${mark.padEnd(5)}  ${String(size).padStart(9)}  ${key}`,
    );
  }
  const rest = layers.filter(({ key }) => !(key in except));
  console.log(
    `${name}: all ${layers.length} matrices ${weights} ${all.toExponential(2)}; ${kept.length} in f16 ` +
      `(${(100 * share).toFixed(1)} % of the weights) ${calibrated.toExponential(2)}, expected ${expectedError(rest).toExponential(2)}`,
  );
  return policy;
}

/** ‖outputs − exact‖ / ‖exact‖ over all outputs of a case. */
function relativeError(outputs: readonly Output[], exact: readonly Output[]): number {
  let difference = 0;
  let power = 0;
  outputs.forEach(({ values }, i) => {
    exact[i]?.values.forEach((want, at) => {
      difference += ((values[at] ?? NaN) - want) ** 2;
      power += want ** 2;
    });
  });
  return Math.sqrt(difference / power);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`calibrate: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
