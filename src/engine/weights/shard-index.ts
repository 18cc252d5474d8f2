/** The index of a checkpoint that is split over several safetensors files: which file holds which tensor. */
import { EngineError } from '../gpu/errors.ts';
import type { WeightFile } from './safetensors.ts';
import { HEADER_LIMITS } from './safetensors-header.ts';

export type ShardIndex = {
  /** File names, in the order of their first mention. */
  readonly shards: readonly string[];
  /** Tensor name -> file name. */
  readonly places: ReadonlyMap<string, string>;
};

/** A shard stands beside its index: no folders, no way out. */
const SHARD = /^[^/\\]+\.safetensors$/;

const refuse = (text: string): EngineError =>
  new EngineError('weights/index', `index of shards: ${text} — load the file again`);

/**
 * Returns the checked index in a `*.safetensors.index.json`. Throws `weights/json`, `weights/index`,
 * `weights/too-many-tensors`.
 */
export function parseShardIndex(bytes: Uint8Array): ShardIndex {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EngineError('weights/json', 'index of shards: got no JSON — load the file again', {
      cause,
    });
  }
  const map = isObject(json) ? json['weight_map'] : undefined;
  if (!isObject(map)) throw refuse('got no weight_map');
  const entries = Object.entries(map);
  if (entries.length === 0) throw refuse('got an empty weight_map');
  if (entries.length > HEADER_LIMITS.tensors) {
    throw new EngineError('weights/too-many-tensors', `index of shards: got ${entries.length}`);
  }
  const places = new Map<string, string>();
  for (const [tensor, shard] of entries) {
    if (typeof shard !== 'string' || !SHARD.test(shard)) {
      throw refuse(`got ${JSON.stringify(shard)} for "${tensor}", needs a file name`);
    }
    places.set(tensor, shard);
  }
  return { shards: [...new Set(places.values())], places };
}

/** Throws `weights/index` unless every tensor stands in the file that the index names. */
export function checkShards(index: ShardIndex, files: ReadonlyMap<string, WeightFile>): void {
  for (const [tensor, shard] of index.places) {
    if (!files.get(shard)?.tensors.has(tensor)) throw refuse(`"${tensor}" is not in ${shard}`);
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
