/** The built app: builds it when it is missing or older than the sources. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { CommandError } from './command-error.mjs';
import { isFresh } from './fingerprint.mjs';
import { packaged, root } from './steps.mjs';

/** What can be built: its folder, a page that it must have, and Vite's configuration. */
const BUILDS = {
  app: { folder: 'dist', page: 'animate.html', config: 'vite.config.ts' },
  bench: { folder: 'dist-bench', page: 'index.html', config: 'bench/vite.config.ts' },
  released: {
    folder: 'dist-released',
    page: 'index.html',
    config: 'bench/released/vite.config.ts',
  },
  quality: { folder: 'dist-quality', page: 'index.html', config: 'bench/quality/vite.config.ts' },
};

/**
 * Returns the folder of an app built from the sources as they are. `chosen` is taken as it is, whatever its age.
 * Throws a `CommandError` when there is none and it cannot be built.
 * @param {string} [chosen]
 * @returns {string}
 */
export const builtApp = (chosen) => built('app', chosen);

/**
 * Returns the folder of the bench's page likewise.
 * @param {string} [chosen]
 * @returns {string}
 */
export const builtBench = (chosen) => built('bench', chosen);

/**
 * Returns the folder of the page that runs released models likewise.
 * @param {string} [chosen]
 * @returns {string}
 */
export const builtReleased = (chosen) => built('released', chosen);

/**
 * Returns the folder of the page that compares videos likewise.
 * @param {string} [chosen]
 * @returns {string}
 */
export const builtQuality = (chosen) => built('quality', chosen);

/**
 * @param {keyof typeof BUILDS} what
 * @param {string} [chosen]
 * @returns {string}
 */
function built(what, chosen) {
  const { folder, page, config } = BUILDS[what];
  if (chosen !== undefined) {
    if (existsSync(join(chosen, page))) return chosen;
    throw new CommandError(`${chosen}: no built ${what} there`, 2);
  }
  const dist = join(root, folder);
  if (isFresh(root, dist)) return dist;
  if (!existsSync(join(root, 'node_modules/vite'))) {
    throw new CommandError(
      `the ${what} in ${folder}/ does not match the sources and Vite is not installed: run "npm ci" first, or name a built one`,
    );
  }
  console.error(`Building the ${what}…`);
  const [program = '', ...args] = packaged(
    'vite/bin/vite.js',
    ...['build', '--logLevel', 'error', '--config', config],
  );
  // Tests set another one, and would then test another build than the one that is shipped.
  const env = { ...process.env, NODE_ENV: 'production' };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8', env });
  if (status !== 0) throw new CommandError(`the ${what} does not build:\n${stdout}${stderr}`);
  return dist;
}
