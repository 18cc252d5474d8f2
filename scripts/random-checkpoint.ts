/**
 * Writes a model of the catalog with random weights, in the files of its release: names, shapes and bytes are the real
 * ones, so that loading, memory and speed can be measured where the weights themselves are not.
 *
 *   node scripts/run.mjs scripts/random-checkpoint.ts wan2.2-ti2v-5b FOLDER [--stored bf16|f8] [--like FOLDER] [--catalog FILE]
 *
 * `f8` stores matrices of transformers as scaled E4M3, half the bytes. Parts that the folder of `--like` has with the same
 * settings, and a second expert like the first, are links: they take no space.
 */
import { copyFile, link, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sizeOf } from '../src/engine/gpu/tensor.ts';
import { checkpointWeights } from '../src/engine/graph/graph.ts';
import { catalogModel, parseCatalog } from '../src/engine/models/catalog.ts';
import { partGraph } from '../src/engine/models/wan/check.ts';
import type { Config } from '../src/engine/models/config-json.ts';
import type { ComponentName } from '../src/engine/models/wan/components.ts';

type Entry = { readonly name: string; readonly shape: readonly number[] };

const root = join(import.meta.dirname, '..');
/** Values that are made once and written again and again. */
const BLOCK = 2 ** 22;

/** What any device can do: only shapes are asked for. */
const CAPS = {
  ...{ software: false, f16: true, subgroups: false, subgroupSize: { min: 1, max: 1 } },
  ...{ subgroupMatrix: [], timestamps: false, workgroupBytes: 16_384 },
  ...{ maxBindingBytes: 2 ** 32, maxBufferBytes: 2 ** 32 },
};

/** Tensors of a part, the tables that are read row by row among them. */
function entriesOf(part: ComponentName, config: Config): Entry[] {
  const weights = checkpointWeights(partGraph(part, config, CAPS));
  const entries = [...weights].map(([name, { source }]) => ({
    name,
    shape: source.kind === 'weight' ? source.stored : [],
  }));
  if (part !== 'text_encoder') return entries;
  const [rows, width] = [Number(config['vocab_size']), Number(config['d_model'])];
  const biases = Array.from({ length: Number(config['num_layers']) }, (_, i) => ({
    name: `encoder.block.${i}.layer.0.SelfAttention.relative_attention_bias.weight`,
    shape: [Number(config['relative_attention_num_buckets'] ?? 32), Number(config['num_heads'])],
  }));
  return [{ name: 'shared.weight', shape: [rows, width] }, ...biases, ...entries];
}

/** How a tensor is stored. */
type Stored = 'BF16' | 'F8_E4M3' | 'F32';
type StoredEntry = Entry & { readonly stored: Stored };

const BYTES: Readonly<Record<Stored, number>> = { BF16: 2, F8_E4M3: 1, F32: 4 };

const uniform = Float32Array.from({ length: BLOCK }, () => 2 * Math.random() - 1);
/** Random E4M3 of either sign and any size up to 1.875, as even in their logarithm as real ones are. */
const eighths = Uint8Array.from({ length: BLOCK }, () => {
  const [sign, bits] = [Math.random() < 0.5 ? 0 : 0x80, Math.floor(64 * Math.random())];
  return sign | bits;
});
const blocks = new Map<string, Buffer>();

const isNorm = ({ name }: Entry): boolean => /norm/.test(name) && name.endsWith('weight');

/** What keeps sums of a row near 1, as a power of two: few sizes, few blocks. */
function scaleOf(entry: Entry): number {
  const fanIn = sizeOf(entry.shape.slice(1)) || 1;
  return entry.shape.length > 1 ? 2 ** Math.round(Math.log2(3 / fanIn) / 2) : 2 ** -6;
}

/** Some values of an entry, to be repeated. */
function blockFor(entry: StoredEntry): Buffer {
  const { stored, name } = entry;
  const scale = isNorm(entry) ? 0 : name.endsWith('.scale_weight') ? -1 : scaleOf(entry);
  const key = `${stored} ${scale}`;
  const known = blocks.get(key);
  if (known) return known;
  const make = (): Buffer => {
    if (stored === 'F8_E4M3') return Buffer.from(eighths.buffer);
    const floats = new Float32Array(BLOCK).fill(1);
    if (!isNorm(entry)) for (let i = 0; i < BLOCK; i++) floats[i] = scale * (uniform[i] ?? 0);
    if (stored === 'F32') return Buffer.from(floats.buffer);
    const bits = new Uint32Array(floats.buffer);
    const words = new Uint16Array(BLOCK);
    for (let i = 0; i < BLOCK; i++) words[i] = (bits[i] ?? 0) >>> 16;
    return Buffer.from(words.buffer);
  };
  const block = make();
  blocks.set(key, block);
  return block;
}

/** Entries as they are stored; one of eight bits has its scale beside it. */
function storedAs(entries: readonly Entry[], eight: boolean): StoredEntry[] {
  return entries.flatMap((entry): StoredEntry[] => {
    const isMatrix = entry.shape.length === 2 && /^blocks\..*\.weight$/.test(entry.name);
    if (!eight || !isMatrix) return [{ ...entry, stored: 'BF16' }];
    const name = entry.name.replace(/weight$/, 'scale_weight');
    const stored = 'F8_E4M3';
    return [
      { name, shape: [1], stored: 'F32' },
      { ...entry, stored },
    ];
  });
}

async function writePart(file: FileHandle, entries: readonly StoredEntry[]): Promise<number> {
  let at = 0;
  const header = Object.fromEntries(
    entries.map(({ name, shape, stored }) => {
      const data_offsets = [at, (at += BYTES[stored] * sizeOf(shape))];
      return [name, { dtype: stored, shape, data_offsets }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.byteLength));
  await file.write(Buffer.concat([prefix, json]));
  const scales = new Map(entries.map((entry) => [entry.name, scaleOf(entry)]));
  for (const entry of entries) {
    if (entry.name.endsWith('.scale_weight')) {
      const scale = scales.get(entry.name.replace(/scale_weight$/, 'weight')) ?? 1;
      await file.write(Buffer.from(Float32Array.of(scale).buffer));
      continue;
    }
    const bytes = blockFor(entry);
    let left = BYTES[entry.stored] * sizeOf(entry.shape);
    for (; left > 0; left -= bytes.byteLength) {
      await file.write(bytes.subarray(0, Math.min(left, bytes.byteLength)));
    }
  }
  return at;
}

const { values, positionals } = parseArgs({
  options: {
    stored: { type: 'string', default: 'bf16' },
    like: { type: 'string' },
    catalog: { type: 'string', default: join(root, 'weights/catalog.json') },
  },
  allowPositionals: true,
});
const [id = '', folder = ''] = positionals;
if (folder === '') throw new Error('usage: scripts/random-checkpoint.ts MODEL FOLDER [OPTION...]');
const catalog = parseCatalog(JSON.parse(await readFile(values.catalog, 'utf8')));
const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** Links the weights of a part that was written with the same settings; tells whether there is one. */
async function linked(part: string, from: string, settings: string): Promise<boolean> {
  const config = await readFile(join(from, 'config.json'), 'utf8').catch(() => '');
  if (config !== settings) return false;
  await link(join(from, WEIGHTS), join(folder, part, WEIGHTS));
  return true;
}

for (const [part, { config }] of Object.entries(catalogModel(catalog, id).parts)) {
  await mkdir(join(folder, part), { recursive: true });
  if (config === undefined) {
    await copyFile(
      join(root, 'tests/fixtures/tokenizers/umt5.json'),
      join(folder, part, 'tokenizer.json'),
    );
    continue;
  }
  const settings = catalog.configs[config] ?? {};
  const text = JSON.stringify(settings);
  const same = part === 'transformer_2' ? join(folder, 'transformer') : undefined;
  const like = values.like === undefined ? undefined : join(values.like, part);
  const isLinked =
    (same !== undefined && (await linked(part, same, text))) ||
    (like !== undefined && (await linked(part, like, text)));
  await writeFile(join(folder, part, 'config.json'), text);
  if (isLinked) {
    console.log(`${part}: linked`);
    continue;
  }
  const begun = performance.now();
  const file = await open(join(folder, part, WEIGHTS), 'w');
  const eight = values.stored === 'f8' && part.startsWith('transformer');
  const entries = entriesOf(part as ComponentName, settings);
  entries.sort((a, b) => (a.name < b.name ? -1 : 1)); // as releases have them
  const bytes = await writePart(file, storedAs(entries, eight));
  await file.close();
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${part}: ${(bytes / 1e9).toFixed(2)} GB in ${seconds.toFixed(1)} s`);
}
