/** Runs a list of commands one after the other, all of them even when one fails, and reports what passed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** @typedef {{ readonly title: string, readonly command: readonly string[] }} Step */

/**
 * Returns the command that runs a node package's own program with this Node.
 * @param {string} file path below node_modules
 * @param {...string} args
 * @returns {string[]}
 */
export function packaged(file, ...args) {
  return [process.execPath, join(root, 'node_modules', file), ...args];
}

/**
 * Runs a step with its output shown; returns whether it ended with status 0.
 * @param {Step} step
 * @returns {boolean}
 */
export function runStep({ title, command: [program = '', ...args] }) {
  console.log(`\n== ${title}`);
  const started = performance.now();
  const { status, signal, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (error) console.error(error.message);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const end = status === 0 ? 'passed' : `FAILED (${signal ?? `status ${status}`})`;
  console.log(`== ${title}: ${end}, ${seconds} s`);
  return status === 0;
}
