/** The built app: builds it when it is missing or older than the sources. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.mjs';
import { isFresh } from './fingerprint.mjs';
import { packaged, root } from './steps.mjs';

/**
 * Returns the folder of an app built from the sources as they are. `chosen` is taken as it is, whatever its age.
 * Throws a `CommandError` when there is none and it cannot be built.
 * @param {string} [chosen]
 * @returns {string}
 */
export function builtApp(chosen) {
  if (chosen !== undefined) {
    if (existsSync(join(chosen, 'animate.html'))) return chosen;
    throw new CommandError(`${chosen}: no built app there`, 2);
  }
  const dist = join(root, 'dist');
  if (isFresh(root, dist)) return dist;
  if (!existsSync(join(root, 'node_modules/vite'))) {
    throw new CommandError(
      'the app in dist/ does not match the sources and Vite is not installed: run "npm ci" first, or name a built app with --dist',
    );
  }
  console.error('Building the app…');
  const [program = '', ...args] = packaged('vite/bin/vite.js', 'build', '--logLevel', 'error');
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new CommandError(`the app does not build:\n${stdout}${stderr}`);
  return dist;
}
