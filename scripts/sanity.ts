/**
 * `npm run sanity`: the frames that the page's sanity check compares with. Runs the built-in model on a bundled picture and
 * says how near the stored frames are; `--write` stores those that f32 gives instead.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { inflateSync } from 'node:zlib';
import { blockMeans, decibels } from '../src/app/trust/block-means.ts';
import reference from '../src/app/trust/sanity-reference.json' with { type: 'json' };
import { run, runnableMotion, resolveSettings } from '../src/engine/index.ts';
import type { Picture, Settings } from '../src/engine/index.ts';
import { bytesSource } from '../src/engine/weights/byte-source.ts';
import { ADAPTERS, openAdapter, usualAdapter } from './verify/adapter.ts';
import type { AdapterChoice } from './verify/adapter.ts';

const HELP = `npm run sanity -- [--adapter A] [--write]

Runs the built-in model on the picture of the sanity check and compares its frames with the stored ones.

  --adapter A   ${ADAPTERS.join(', ')} (default: lavapipe where it is installed)
  --write       store the frames`;

const root = join(import.meta.dirname, '..');
const FOLDER = join(root, 'src/app/trust');

/** Returns the pixels of a PNG as scripts/lib/png.ts writes them: RGB, no filters, one piece of data. */
function pixelsOf(png: Buffer): Picture {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const at = png.indexOf('IDAT');
  const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    const row = Math.floor(i / width);
    data.set(rows.subarray(3 * i + row + 1, 3 * i + row + 4), 4 * i);
  }
  return { width, height, data };
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      adapter: { type: 'string', default: usualAdapter() },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const picture = pixelsOf(await readFile(join(FOLDER, 'sanity-picture.png')));
  const model = join(root, 'weights/motion');
  const files = {
    config: JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as unknown,
    weights: bytesSource(new Uint8Array(await readFile(join(model, 'model.safetensors')))),
  };
  const gpu = await openAdapter(values.adapter as AdapterChoice);
  // Frames are stored as f32 makes them; a comparison is of what the device would be given.
  const precision = values.write ? 'f32' : 'auto';
  const settings = resolveSettings({
    ...(reference.settings as Partial<Settings>),
    precision,
  });
  const frames: number[][] = [];
  for await (const { data } of run(runnableMotion(files), { settings, picture }, { gpu })) {
    frames.push([...blockMeans(data, picture.width, picture.height)].map(Math.round));
  }
  gpu.device.destroy();
  const stored = reference.frames.map((text) => [...Buffer.from(text, 'base64')]);
  console.log(`${decibels(frames.flat(), stored.flat()).toFixed(1)} dB on ${gpu.info.description}`);
  if (!values.write) return;
  const told = frames.map((means) => Buffer.from(means).toString('base64'));
  const text = JSON.stringify({ ...reference, frames: told }, undefined, 2);
  await writeFile(join(FOLDER, 'sanity-reference.json'), `${text}\n`);
}

await main(process.argv.slice(2));
