/** `npm run fuzz -- [RUNS]`: mutated headers of safetensors files, a million or as many as are asked for. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { packaged, root } from './lib/steps.mjs';

const [runs = '1000000'] = process.argv.slice(2);
const [program = '', ...args] = packaged(
  'vitest/vitest.mjs',
  ...['run', '--project', 'unit', 'safetensors-fuzz', '--testTimeout', '3600000'],
);
const env = { ...process.env, ZOETROPE_FUZZ: runs };
process.exitCode = spawnSync(program, args, { cwd: root, stdio: 'inherit', env }).status ?? 1;
