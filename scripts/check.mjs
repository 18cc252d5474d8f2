/** `npm run check`: format, types, lint, architecture. No warning is let through. */
import process from 'node:process';
import { packaged, runStep } from './lib/steps.mjs';

/** What must hold before any test runs. */
export const checks = [
  {
    title: 'format',
    command: packaged('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  },
  { title: 'types', command: packaged('typescript/bin/tsc', '-p', '.') },
  {
    title: 'types of the engine without a page',
    command: packaged('typescript/bin/tsc', '-p', 'tsconfig.engine.json'),
  },
  { title: 'lint', command: packaged('oxlint/bin/oxlint', '--type-aware', '--deny-warnings') },
  {
    title: 'architecture',
    command: packaged('vitest/vitest.mjs', 'run', '--project', 'unit', 'architecture'),
  },
];

if (process.argv[1] === import.meta.filename) {
  const failed = checks.filter((check) => !runStep(check)).length;
  console.log(`\n${checks.length - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
