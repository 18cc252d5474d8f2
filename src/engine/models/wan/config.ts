/** Configuration of the Wan transformer, from either spelling of its config.json. */
import { EngineError } from '../../gpu/errors.ts';
import type { Patch } from '../../graph/ops/layout.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type WanConfig = {
  readonly patch: Patch;
  /** Model width: heads · headDim. */
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly textDim: number;
  /** Rows that text is padded to. */
  readonly textLength: number;
  /** Width of the timestep's sinusoid. */
  readonly freqDim: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly eps: number;
  readonly qkNorm: boolean;
  readonly crossNorm: boolean;
  /** Width of the image tokens for the second cross attention; undefined where there is none. */
  readonly imageDim: number | undefined;
  /** Length of the learned positions of image tokens; undefined where there are none. */
  readonly imagePositions: number | undefined;
  /** Positions that rotary tables reach along one axis. */
  readonly maxPositions: number;
};

/** What can be asked of a checkpoint, under diffusers names: a WeightStore opened with `renameWan`. */
export type Checkpoint = {
  has(name: string): boolean;
  info(name: string): { readonly shape: readonly number[] };
};

const IMAGE_NORM = 'condition_embedder.image_embedder.norm1.weight';
const IMAGE_POSITIONS = 'condition_embedder.image_embedder.pos_embed';

/**
 * Returns the configuration in a diffusers or an original config.json. The original does not tell the 2.1 image branch
 * from 2.2 models without it: with `checkpoint` its tensors do. Throws `weights/config` for values that no model has.
 */
export function parseWanConfig(config: Config, checkpoint?: Checkpoint): WanConfig {
  const original = config['dim'] !== undefined;
  const heads = numberIn(config, original ? 'num_heads' : 'num_attention_heads');
  const headDim = original
    ? numberIn(config, 'dim') / heads
    : numberIn(config, 'attention_head_dim');
  const [pt, ph, pw] = triple(config['patch_size'] ?? [1, 2, 2]);
  const qkNorm = config['qk_norm'] ?? (original ? true : 'rms_norm_across_heads');
  check(
    [true, false, null, 'rms_norm_across_heads'].includes(qkNorm as boolean),
    'qk_norm',
    qkNorm,
    '"rms_norm_across_heads" or none',
  );
  check(
    headDim % 4 === 0 && headDim >= 4 && headDim <= 1024,
    'head width',
    headDim,
    'a multiple of 4 up to 1024',
  );
  return {
    patch: { pt, ph, pw },
    width: heads * headDim,
    heads,
    headDim,
    inChannels: numberIn(config, original ? 'in_dim' : 'in_channels'),
    outChannels: numberIn(config, original ? 'out_dim' : 'out_channels'),
    textDim: numberIn(config, 'text_dim', 4096),
    textLength: numberIn(config, 'text_len', 512),
    freqDim: numberIn(config, 'freq_dim', 256),
    ffnDim: numberIn(config, 'ffn_dim'),
    layers: numberIn(config, 'num_layers'),
    eps: numberIn(config, 'eps', 1e-6),
    qkNorm: Boolean(qkNorm),
    crossNorm: config['cross_attn_norm'] !== false,
    imageDim: optionalNumber(config, 'image_dim') ?? axisOf(checkpoint, IMAGE_NORM, 0),
    imagePositions:
      optionalNumber(config, 'pos_embed_seq_len') ?? axisOf(checkpoint, IMAGE_POSITIONS, 1),
    maxPositions: numberIn(config, 'rope_max_seq_len', 1024),
  };
}

const optionalNumber = (config: Config, key: string): number | undefined =>
  config[key] === undefined || config[key] === null ? undefined : numberIn(config, key);

const axisOf = (
  checkpoint: Checkpoint | undefined,
  name: string,
  axis: number,
): number | undefined => (checkpoint?.has(name) ? checkpoint.info(name).shape[axis] : undefined);

function triple(value: unknown): readonly [number, number, number] {
  const [a, b, c] = Array.isArray(value) ? value.map(Number) : [];
  check(
    [a, b, c].every((n) => Number.isInteger(n) && (n ?? 0) > 0),
    'patch_size',
    value,
    'three whole numbers',
  );
  return [a ?? 1, b ?? 1, c ?? 1];
}

function check(condition: boolean, key: string, have: unknown, need: string): void {
  if (condition) return;
  throw new EngineError(
    'weights/config',
    `config.json — got ${JSON.stringify(have)} for ${key}, needs ${need} — use the model's own file`,
  );
}
