/** A model as it is released: a folder for each part, with a config.json and one or more files of weights. */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { openWeights } from './gguf.ts';
import type { ModelFiles } from './model-files.ts';
import type { WeightFile } from './safetensors.ts';
import { checkShards, parseShardIndex } from './shard-index.ts';
import type { Rename } from './weight-store.ts';
import { WeightStore } from './weight-store.ts';

/** The parts of a model by the names of their folders. */
export type ModelFolder<Part extends string> = {
  has(part: Part): boolean;
  /** Resolves to the settings of a part. Throws `weights/config`. */
  config(part: Part): Promise<Readonly<Record<string, unknown>>>;
  /** Resolves to the weights of a part, headers read and checked. Throws `weights/missing` and what `openWeights` throws. */
  weights(part: Part, rename?: Rename): Promise<WeightStore>;
};

const CONFIG = 'config.json';
const CONFIG_BYTES = 1 << 20;
/** What weights are called where a place cannot list its files. */
const USUAL_NAMES = ['diffusion_pytorch_model', 'model'].flatMap((stem) => [
  `${stem}.safetensors.index.json`,
  `${stem}.fp16.safetensors`,
  `${stem}.safetensors`,
]);

/** Returns the parts of `names` that `files` has. Throws `weights/folder` when there is none. */
export async function openModelFolder<Part extends string>(
  files: ModelFiles,
  names: readonly Part[],
): Promise<ModelFolder<Part>> {
  const configs = new Map<Part, ByteSource>();
  for (const name of names) {
    const source = await files.open(`${name}/${CONFIG}`);
    if (source) configs.set(name, source);
  }
  if (configs.size === 0) {
    throw new EngineError(
      'weights/folder',
      `model — got a folder without ${names.map((name) => `${name}/${CONFIG}`).join(', ')} — choose the folder of a model`,
    );
  }
  return {
    has: (part) => configs.has(part),
    config: async (part) => parseConfig(part, configs.get(part)),
    weights: async (part, rename) =>
      new WeightStore(await openPart(files, part), rename, files.packs?.(part)),
  };
}

/** Opens the weights in folder `part`: shards by their index, else the safetensors files, else a GGUF file. */
async function openPart(files: ModelFiles, part: string): Promise<readonly WeightFile[]> {
  const names = await namesIn(files, part);
  const index = names.find((name) => name.endsWith('.safetensors.index.json'));
  if (index !== undefined) return openShards(files, part, index);
  const safetensors = names.filter((name) => name.endsWith('.safetensors'));
  const chosen =
    safetensors.length > 0 ? withoutTwins(safetensors) : names.filter(isGguf).slice(0, 1);
  if (chosen.length === 0) {
    throw new EngineError(
      'weights/missing',
      `${part}/ — got no file of weights (*.safetensors, *.gguf) — choose a complete folder`,
    );
  }
  return Promise.all(chosen.map(async (name) => openWeights(await need(files, `${part}/${name}`))));
}

async function openShards(
  files: ModelFiles,
  part: string,
  name: string,
): Promise<readonly WeightFile[]> {
  const source = await need(files, `${part}/${name}`);
  const index = parseShardIndex(await source.read(0, source.size));
  const opened = new Map<string, WeightFile>();
  for (const shard of index.shards) {
    opened.set(shard, await openWeights(await need(files, `${part}/${shard}`)));
  }
  checkShards(index, opened);
  return [...opened.values()];
}

/** Names of the files right in folder `part`; of the usual ones where the place cannot list. */
async function namesIn(files: ModelFiles, part: string): Promise<readonly string[]> {
  const prefix = `${part}/`;
  if (files.paths) {
    return files.paths
      .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
      .map((path) => path.slice(prefix.length));
  }
  for (const name of USUAL_NAMES) if (await files.open(prefix + name)) return [name];
  return [];
}

const isGguf = (name: string): boolean => name.endsWith('.gguf');

/** Leaves out `x.safetensors` where `x.fp16.safetensors` holds the same in half the bytes. */
const withoutTwins = (names: readonly string[]): readonly string[] =>
  names.filter((name) => !names.includes(name.replace(/\.safetensors$/, '.fp16.safetensors')));

async function need(files: ModelFiles, path: string): Promise<ByteSource> {
  const source = await files.open(path);
  if (source) return source;
  throw new EngineError('weights/missing', `${path} — not found — choose a complete folder`);
}

async function parseConfig(
  part: string,
  source: ByteSource | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const refuse = (have: string, cause?: unknown): EngineError =>
    new EngineError(
      'weights/config',
      `${part}/${CONFIG} — got ${have}, needs the part's settings`,
      {
        cause,
      },
    );
  if (!source) throw refuse('no such file');
  if (source.size > CONFIG_BYTES) throw refuse(`${source.size} bytes`);
  const text = new TextDecoder().decode(await source.read(0, source.size));
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
      return json as Readonly<Record<string, unknown>>;
    }
  } catch (cause) {
    throw refuse('no JSON', cause);
  }
  throw refuse('no JSON object');
}
