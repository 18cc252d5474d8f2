/**
 * Writes a model of the catalog with random weights, in the files of its release: names, shapes and bytes are the real
 * ones, so that loading, memory and speed can be measured where the weights themselves are not.
 *
 *   node scripts/run.mjs scripts/random-checkpoint.ts wan2.2-ti2v-5b FOLDER
 */
import { copyFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { sizeOf } from '../src/engine/gpu/tensor.ts';
import { checkpointWeights } from '../src/engine/graph/graph.ts';
import { catalogModel, parseCatalog } from '../src/engine/models/catalog.ts';
import { partGraph } from '../src/engine/models/wan/check.ts';
import type { ComponentName, Config } from '../src/engine/models/wan/components.ts';

type Entry = { readonly name: string; readonly shape: readonly number[] };

const root = join(import.meta.dirname, '..');
const BLOCK = 2 ** 20;
const WRITE_BYTES = 2 * BLOCK;

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

const uniform = Float32Array.from({ length: BLOCK }, () => 2 * Math.random() - 1);
const blocks = new Map<number, Buffer>();

/** A million values as bf16, of a size that keeps sums of a row near 1; ones for the weights of norms. */
function blockFor({ name, shape }: Entry): Buffer {
  const isNorm = /norm/.test(name) && name.endsWith('weight');
  const fanIn = sizeOf(shape.slice(1)) || 1;
  const scale = isNorm ? 0 : shape.length > 1 ? Math.sqrt(3 / fanIn) : 0.02;
  const known = blocks.get(scale);
  if (known) return known;
  const floats = uniform.map((value) => (isNorm ? 1 : scale * value));
  const words = Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  const block = Buffer.from(words.buffer);
  blocks.set(scale, block);
  return block;
}

async function writePart(file: FileHandle, entries: readonly Entry[]): Promise<number> {
  let at = 0;
  const header = Object.fromEntries(
    entries.map(({ name, shape }) => {
      const data_offsets = [at, (at += 2 * sizeOf(shape))];
      return [name, { dtype: 'BF16', shape, data_offsets }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.byteLength));
  await file.write(Buffer.concat([prefix, json]));
  for (const entry of entries) {
    const bytes = blockFor(entry);
    for (let left = 2 * sizeOf(entry.shape); left > 0; left -= WRITE_BYTES) {
      await file.write(bytes.subarray(0, Math.min(left, WRITE_BYTES)));
    }
  }
  return at;
}

const [id = '', folder = ''] = process.argv.slice(2);
if (folder === '') throw new Error('usage: scripts/random-checkpoint.ts MODEL FOLDER');
const catalog = parseCatalog(
  JSON.parse(await readFile(join(root, 'weights/catalog.json'), 'utf8')),
);
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
  await writeFile(join(folder, part, 'config.json'), JSON.stringify(settings));
  const file = await open(join(folder, part, 'diffusion_pytorch_model.safetensors'), 'w');
  const bytes = await writePart(file, entriesOf(part as ComponentName, settings));
  await file.close();
  console.log(`${part}: ${(bytes / 1e9).toFixed(2)} GB`);
}
