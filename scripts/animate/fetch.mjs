/** A model of the catalog for the command line: fetched into a folder of this user's, once, by a command of its own. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { CommandError, EXIT } from '../lib/command-error.mjs';
import { root } from '../lib/steps.mjs';
import { folderModel } from './options.mjs';

/**
 * Resolves to `command` with the folder of its model, which is fetched as far as it is not there. Ctrl-C stops that, and
 * what came stays. Throws a `CommandError`.
 * @param {import('./options.mjs').AnimateCommand} command
 * @returns {Promise<import('./options.mjs').AnimateCommand>}
 */
export async function withModel(command) {
  const { model } = command;
  if (!model || !('fetch' in model)) return command;
  if (!existsSync(join(root, 'node_modules/vite'))) {
    throw new CommandError('fetching a model needs the packages of this repository: run "npm ci"');
  }
  const child = spawn(
    process.execPath,
    [join(root, 'scripts/run.mjs'), join(root, 'scripts/fetch-model.ts'), ...model.fetch],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ignore = () => undefined; // the child hears it too, and ends
  process.on('SIGINT', ignore);
  let folder = '';
  child.stdout.on('data', (text) => (folder += text));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  process.off('SIGINT', ignore);
  if (code === EXIT.cancelled) throw new CommandError('cancelled', EXIT.cancelled);
  if (code !== 0) throw new CommandError('the model was not fetched');
  return { ...command, model: folderModel(folder.trim(), undefined) };
}
