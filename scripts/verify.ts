/** `npm run verify`: golden cases of the reference implementations against the engine. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Gpu } from '../src/engine/gpu/device.ts';
import { Executor } from '../src/engine/graph/replay.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { parsePolicy, policyFrom } from '../src/engine/weights/policy.ts';
import { openAdapter } from './verify/adapter.ts';
import { CHECKERS } from './verify/checkers.ts';
import type { OpenCase } from './verify/find-cases.ts';
import { findCases, openCase } from './verify/find-cases.ts';
import { runAt } from './verify/level.ts';
import type { Options } from './verify/options.ts';
import { HELP, parseOptions } from './verify/options.ts';
import type { Report } from './verify/run-case.ts';
import { runCase } from './verify/run-case.ts';

/** Activations may take this much of what the tensors that are alive at once need. */
const FIT = 1.1;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const folders = await findCases(options.folders);
  const gpu = await openAdapter(options.adapter);
  console.log(
    `${options.precision} on ${gpu.info.description || gpu.info.device}, f16 ${gpu.caps.f16 ? 'arithmetic' : 'storage only'}`,
  );
  try {
    return await verify(gpu, folders, options);
  } finally {
    gpu.destroy();
  }
}

async function verify(gpu: Gpu, folders: readonly string[], options: Options): Promise<number> {
  const { precision, blocks, only, except } = options;
  const policy =
    options.policy === undefined
      ? undefined
      : policyFrom(parsePolicy(await readFile(options.policy, 'utf8')));
  const run = runAt(precision, options.integers, policy);
  const shared = { gpu, pipelines: new PipelineCache(gpu.device) };
  const counts = { passed: 0, failed: 0 };
  for (const folder of folders) {
    const name = basename(folder);
    const named = (names: readonly string[]): boolean => names.some((part) => name.includes(part));
    if ((only.length > 0 && !named(only)) || named(except)) continue;
    const start = performance.now();
    const executor = new Executor(gpu);
    const report = await runFolder(folder, (files) =>
      runCase({ ...files, ...shared, ...run, executor, blocks }, CHECKERS),
    );
    const { worstFit } = executor.stats;
    const passed = report.passed && worstFit <= FIT;
    counts[passed ? 'passed' : 'failed']++;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const verdict = passed ? 'pass' : 'FAIL';
    const memory = `memory ${worstFit.toFixed(3)}`;
    console.log(
      `${verdict}  ${name.padEnd(24)} ${seconds.padStart(5)} s  ${memory}  ${report.text}`,
    );
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

/** Opens a case, runs it and closes its files; files that cannot be opened fail the case. */
async function runFolder(
  folder: string,
  run: (files: OpenCase) => Promise<Report>,
): Promise<Report> {
  try {
    const files = await openCase(folder);
    return await run(files).finally(files.close);
  } catch (error) {
    return { passed: false, text: error instanceof Error ? error.message : String(error) };
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`verify: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
