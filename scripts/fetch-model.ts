/**
 * Fetches a released model of the catalog into a folder, as `npm run animate -- --model ID` does first: resumed where it was
 * cut off, every file compared with its hash. Prints the model's licence, and at the end the folder alone on standard output.
 *
 *   node scripts/run.mjs scripts/fetch-model.ts ID [--hub URL] [--cache DIR] [--catalog FILE]
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { EngineError } from '../src/engine/gpu/errors.ts';
import { Library } from '../src/engine/models/library.ts';
import type { HubOptions } from '../src/engine/weights/hub.ts';
import { nodeEnvironment } from '../src/engine/weights/node-private-files.ts';
import { Store, storedAt } from '../src/engine/weights/store.ts';

const root = join(import.meta.dirname, '..');
const { values, positionals } = parseArgs({
  options: {
    hub: { type: 'string' },
    cache: { type: 'string', default: join(homedir(), '.cache/zoetrope') },
    catalog: { type: 'string', default: join(root, 'weights/catalog.json') },
  },
  allowPositionals: true,
});
const [id = ''] = positionals;
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
try {
  console.log(await fetched(id));
} catch (error) {
  if (abort.signal.aborted) console.error('cancelled; what came stays');
  else console.error(error instanceof EngineError ? error.message : error);
  process.exitCode = abort.signal.aborted ? 130 : 1;
}

/** Resolves to the folder of the model, all its files there. */
async function fetched(model: string): Promise<string> {
  const store = new Store(nodeEnvironment(join(values.cache, 'store')));
  const library = new Library(JSON.parse(readFileSync(values.catalog, 'utf8')), store);
  const options: HubOptions = {
    signal: abort.signal,
    ...(values.hub !== undefined && { host: values.hub.replace(/\/$/, '') }),
  };
  const about = library.models.find((each) => each.id === model);
  const plan = await library.plan(model, options);
  const { totalBytes, missingBytes } = await library.check(model, options);
  const licences = about?.licences.map(({ name, url }) => `${name} (${url})`).join('; ');
  console.error(`${about?.title}, licence: ${licences}`);
  if (missingBytes > 0) {
    console.error(`${gigabytes(missingBytes)} of ${gigabytes(totalBytes)} GB to fetch`);
    let told = 0;
    await library.download(model, {
      ...options,
      onProgress({ bytes, file }) {
        if (performance.now() - told < 2000 && bytes < totalBytes) return;
        told = performance.now();
        console.error(`${gigabytes(bytes)} of ${gigabytes(totalBytes)} GB, ${file}`);
      },
    });
  }
  const folder = join(values.cache, 'models', model);
  rmSync(folder, { recursive: true, force: true });
  const place = (path: string): string => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    return join(folder, path);
  };
  for (const { hub, file, as } of plan.wanted) {
    linkSync(join(values.cache, 'store', await storedAt(hub.keyOf(file.path))), place(as));
  }
  for (const { as, text } of plan.given) writeFileSync(place(as), text);
  writeFileSync(place('recommended.json'), JSON.stringify(about?.recommended ?? {}));
  return folder;
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(2);
}
