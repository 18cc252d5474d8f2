/** `npm run paint`: a picture from a prompt by NewBie-image, from a folder of released weights, on the machine's GPU. */
import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { EngineError } from '../src/engine/gpu/errors.ts';
import { paint } from '../src/engine/models/newbie/pipeline.ts';
import type { NewbieProgress } from '../src/engine/models/newbie/pipeline.ts';
import { isXmlPrompt, readPrompt } from '../src/engine/models/newbie/prompt.ts';
import type { NewbieSolver } from '../src/engine/models/newbie/request.ts';
import { newbieTokenizer } from '../src/engine/models/newbie/tokenize.ts';
import { residentEngine } from '../src/engine/resident.ts';
import { fileStore } from '../src/engine/tuning/node-store.ts';
import type { ByteSource } from '../src/engine/weights/byte-source.ts';
import { openModelFolder } from '../src/engine/weights/model-folder.ts';
import type { ModelFiles } from '../src/engine/weights/model-files.ts';
import { folderFiles } from '../src/engine/weights/node-source.ts';
import { policyFor, WEIGHTS_CHOICES } from '../src/engine/weights/policy.ts';
import { pngOf } from './lib/png.ts';
import type { AdapterChoice } from './verify/adapter.ts';
import { ADAPTERS, openAdapter } from './verify/adapter.ts';

const HELP = `npm run paint -- --model DIR --prompt TEXT [options]

Paints a picture with NewBie-image. DIR has transformer, text_encoder, clip_model and vae, each a config.json and
safetensors files, and tokenizer.json in text_encoder and in clip_model.

  --prompt TEXT       tags, sentences, or XML; @FILE reads it from a file
  --negative TEXT     what should not be there (default: nothing)
  --system TEXT       system prompt in place of the usual one
  --size WxH          default 1024x1024; sides are multiples of 16
  --steps N           default 28
  --solver S          flow_euler (default), euler, midpoint, rk4 or dpmpp
  --guidance G        default 5; 1 is none
  --until T           guide until time T, 0 to 1 (default: to the end)
  --seed N            default 0
  --weights W         f16 (default), int8, w8a8 or int4; f32 where the device has no f16
  --adapter A         ${ADAPTERS.join(', ')} (default: default)
  -o FILE             default out.png`;

const SOLVERS = ['flow_euler', 'euler', 'midpoint', 'rk4', 'dpmpp'] as const;
/** Where timings of kernels on this machine are kept. */
const TIMINGS = join(homedir(), '.cache/zoetrope/timings.json');
const PARTS = ['transformer', 'text_encoder', 'clip_model', 'vae'] as const;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string' },
      prompt: { type: 'string' },
      negative: { type: 'string', default: '' },
      system: { type: 'string' },
      size: { type: 'string', default: '1024x1024' },
      steps: { type: 'string', default: '28' },
      solver: { type: 'string', default: 'flow_euler' },
      guidance: { type: 'string', default: '5' },
      until: { type: 'string', default: '1' },
      seed: { type: 'string', default: '0' },
      weights: { type: 'string', default: 'f16' },
      adapter: { type: 'string', default: 'default' },
      output: { type: 'string', short: 'o', default: 'out.png' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const { model, system } = values;
  if (model === undefined || values.prompt === undefined)
    throw new Error('--model and --prompt are needed: see npm run paint -- --help');
  const text = values.prompt.startsWith('@')
    ? (await readFile(values.prompt.slice(1), 'utf8')).trim()
    : values.prompt;
  if (isXmlPrompt(text)) readPrompt(text); // names what is wrong before gigabytes are read
  const [width = NaN, height = NaN] = values.size.split('x').map(Number);
  const solver: NewbieSolver = oneOf('solver', values.solver, SOLVERS);
  const weights =
    values.weights === 'f16' ? undefined : oneOf('weights', values.weights, WEIGHTS_CHOICES);
  const adapter: AdapterChoice = oneOf('adapter', values.adapter, ADAPTERS);

  const files = await folderFiles(model);
  const gpu = await openAdapter(adapter);
  try {
    const tokenize = await newbieTokenizer(
      await needed(files, 'text_encoder/tokenizer.json'),
      await needed(files, 'clip_model/tokenizer.json'),
    );
    const picture = await paint(
      {
        ...(await residentEngine(gpu, { tuning: fileStore(TIMINGS) })),
        precision: gpu.caps.f16 ? 'f16' : 'f32',
        quantise: policyFor(weights),
      },
      await openModelFolder(files, PARTS),
      {
        prompt: tokenize(text, system),
        negativePrompt: tokenize(values.negative, system),
        ...{ width, height, solver },
        steps: Number(values.steps),
        guidance: Number(values.guidance),
        guideUntil: Number(values.until) < 1 ? Number(values.until) : Infinity,
        seed: Number(values.seed),
      },
      { onProgress: show },
    );
    await writeFile(values.output, pngOf(picture));
    console.log(`\nwrote ${values.output}`);
  } finally {
    gpu.destroy();
    await files.close();
  }
}

function show({ stage, done, step, steps, leftMs }: NewbieProgress): void {
  const place = step === undefined ? '' : ` ${step + 1} of ${steps}`;
  const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 1000)} s to go`;
  process.stderr.write(`\r${stage}${place}: ${Math.round(100 * done)} %${left}      `);
}

async function needed(files: ModelFiles, path: string): Promise<ByteSource> {
  const file = await files.open(path);
  if (file) return file;
  throw new EngineError('weights/missing', `${path} — got no such file — choose a complete folder`);
}

function oneOf<const T extends string>(name: string, value: string, known: readonly T[]): T {
  const found = known.find((choice) => choice === value);
  if (!found) throw new Error(`--${name}: got ${value}, needs one of ${known.join(', ')}`);
  return found;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`paint: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
