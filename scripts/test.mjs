/**
 * `npm test`: the checks, then the test tiers from fast to slow, then the golden cases where they lie beside the
 * repository. Everything runs even when a part fails; the last line counts them all.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { checks } from './check.mjs';
import { packaged, root, runStep } from './lib/steps.mjs';

const GOLDEN = ['../shared/golden/wan', '../shared/golden/nextdit', '../shared/golden/unet3d'];

const total = { passed: 0, failed: 0, skipped: 0 };
const scratch = mkdtempSync(join(tmpdir(), 'zoetrope-test-'));

for (const check of checks) count({ passed: runStep(check) });
for (const project of ['unit', 'gpu']) vitest(project);
verify();
vitest('app');

rmSync(scratch, { recursive: true });
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** @param {{ passed: boolean }} result */
function count({ passed }) {
  total[passed ? 'passed' : 'failed']++;
}

/** @param {string} project */
function vitest(project) {
  const report = join(scratch, `${project}.json`);
  const passed = runStep({
    title: `${project} tests`,
    command: packaged(
      'vitest/vitest.mjs',
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ),
  });
  if (!existsSync(report)) {
    count({ passed: false });
    return;
  }
  const result = JSON.parse(readFileSync(report, 'utf8'));
  total.passed += result.numPassedTests;
  total.failed += result.numFailedTests;
  total.skipped += result.numPendingTests + result.numTodoTests;
  // A file that does not load, or a worker that crashes, fails the run without a failed test.
  if (!passed && result.numFailedTests === 0) count({ passed: false });
}

/** Runs the golden cases in both precisions and adds up their closing lines. */
function verify() {
  const folders = GOLDEN.filter((folder) => existsSync(join(root, folder)));
  for (const folder of GOLDEN.filter((known) => !folders.includes(known)))
    console.log(`\n== verify: skipped, there is no folder ${folder}`);
  if (folders.length === 0) return;
  for (const precision of ['f32', 'f16']) {
    console.log(`\n== verify ${folders.join(' ')} in ${precision}`);
    const args = ['scripts/run.mjs', 'scripts/verify.ts', ...folders, '--precision', precision];
    args.push('--adapter', 'lavapipe');
    const { status, stdout } = spawnSync(process.execPath, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    process.stdout.write(stdout ?? '');
    const closing = /^(\d+) passed, (\d+) failed\s*$/m.exec(stdout ?? '');
    total.passed += Number(closing?.[1] ?? 0);
    total.failed += Number(closing?.[2] ?? 0);
    if (status !== 0 && !Number(closing?.[2] ?? 0)) count({ passed: false });
  }
}
