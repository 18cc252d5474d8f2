/**
 * `npm run bench -- [--only NAME] [--json FILE] [--seconds S]`: times every kernel, and the built-in model end to end,
 * in a browser without a window. Plain JavaScript: a built app, Node and puppeteer are all it needs.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { benchKernels } from './bench/kernels.mjs';
import { benchModel } from './bench/model.mjs';
import { builtApp } from './lib/build.mjs';
import { CommandError, EXIT } from './lib/command-error.mjs';
import { serve } from './lib/serve.mjs';

const HELP = `npm run bench -- [OPTION...]

  --only NAME      rows whose name begins so; "motion" is the built-in model end to end
  --seconds S      time for each row (default: 0.5)
  --json FILE      write all figures
  --browser PATH   Chrome or Chromium to use
  --software       compute on the processor even where there is a graphics card
  --dist DIR       a built app to use as it is`;

const MODEL_ROW = 'motion';

try {
  process.exitCode = await bench();
} catch (error) {
  if (error instanceof CommandError) console.error(`bench: ${error.message}`);
  else console.error(error);
  process.exitCode = error instanceof CommandError ? error.exitCode : EXIT.failure;
}

/** @returns {Promise<number>} the exit code */
async function bench() {
  const values = options();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = Number(values.seconds ?? 0.5);
  if (!(seconds > 0)) {
    throw new CommandError(`--seconds got "${values.seconds}", takes a number`, EXIT.badInput);
  }
  const only = values.only ?? '';
  const server = await serve(builtApp(values.dist === undefined ? undefined : here(values.dist)));
  const browser = {
    ...(values.browser !== undefined && { path: values.browser }),
    software: values.software === true,
  };
  try {
    const kernels =
      MODEL_ROW === only ? undefined : await benchKernels(server.url, browser, { only, seconds });
    const model = MODEL_ROW.startsWith(only) ? await benchModel(server.url, browser) : undefined;
    if (values.json !== undefined) {
      writeFileSync(here(values.json), `${JSON.stringify({ ...kernels, model }, undefined, 2)}\n`);
    }
    return kernels && kernels.failures > 0 ? EXIT.failure : 0;
  } finally {
    await server.close();
  }
}

function options() {
  const string = /** @type {const} */ ({ type: 'string' });
  const boolean = /** @type {const} */ ({ type: 'boolean' });
  try {
    const { values } = parseArgs({
      options: {
        only: string,
        seconds: string,
        json: string,
        browser: string,
        software: boolean,
        dist: string,
        help: /** @type {const} */ ({ type: 'boolean', short: 'h' }),
      },
    });
    return values;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(message.split('. ', 1).join(''), EXIT.badInput);
  }
}

/** @param {string} path meant from the folder where the user stands */
function here(path) {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path);
}
