/** Sizes of a NextDiT (NewBie-image, Lumina-Image 2.0), from either spelling of its config.json and from its tensors. */
import { EngineError } from '../../gpu/errors.ts';
import type { RowSource } from '../../weights/mapped.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

export type NextDitConfig = {
  readonly patch: number;
  readonly channels: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly refinerLayers: number;
  readonly eps: number;
  readonly qkEps: number;
  /** Width of the text rows. */
  readonly textDim: number;
  /** Width of the pooled text; undefined for models that take none. */
  readonly pooledDim: number | undefined;
  readonly pooledEps: number;
  /** Width of the conditioning vector, and of the timestep's sinusoid. */
  readonly conditionDim: number;
  readonly freqDim: number;
  /** Values of a head that turn by each axis: caption, row, column; and positions along each. */
  readonly axes: readonly [number, number, number];
  readonly axisLengths: readonly [number, number, number];
  readonly theta: number;
};

/** Returns the sizes of the model whose `config.json` and weights, by `nextDitNames`, these are. Throws `weights/config`. */
export function parseNextDitConfig(config: Config, weights: RowSource): NextDitConfig {
  const original = config['dim'] !== undefined;
  const number = (ours: string, theirs: string, fallback?: number): number =>
    numberIn(config, original ? ours : theirs, fallback);
  const width = number('dim', 'hidden_size');
  const heads = number('n_heads', 'num_attention_heads');
  const axes = triple(config, original ? 'axes_dims' : 'axes_dim_rope', [32, 32, 32]);
  const lengths = (name: string): readonly number[] => weights.info(name).shape;
  const [conditionDim = 1, freqDim = 1] = lengths('t_embedder.mlp.0.weight');
  const pooled = 'clip_text_pooled_proj.0.weight';
  const qkEps = numberIn(config, 'qk_norm_eps', original ? 1e-6 : 1e-5);
  check(
    axes.reduce((a, b) => a + b) === width / heads && axes.every((d) => d % 2 === 0),
    axes,
    `even numbers that add up to ${width / heads}`,
  );
  return {
    patch: numberIn(config, 'patch_size', 2),
    channels: numberIn(config, 'in_channels', 16),
    width,
    heads,
    kvHeads: number('n_kv_heads', 'num_kv_heads', heads),
    headDim: width / heads,
    ffnDim: lengths('layers.0.feed_forward.w1.weight')[0] ?? 1,
    layers: number('n_layers', 'num_layers'),
    refinerLayers: number('n_refiner_layers', 'num_refiner_layers', 2),
    eps: numberIn(config, 'norm_eps', 1e-5),
    qkEps,
    textDim: lengths('cap_embedder.0.weight')[0] ?? 1,
    pooledDim: weights.has(pooled) ? lengths(pooled)[0] : undefined,
    pooledEps: numberIn(config, 'clip_norm_eps', qkEps),
    conditionDim,
    freqDim,
    axes,
    axisLengths: triple(config, 'axes_lens', [1024, 512, 512]),
    theta: numberIn(config, 'rope_theta', 10_000),
  };
}

function triple(
  config: Config,
  key: string,
  fallback: readonly [number, number, number],
): readonly [number, number, number] {
  const value = config[key] ?? fallback;
  const [a, b, c] = Array.isArray(value) ? value.map(Number) : [];
  const whole = [a, b, c].every((n) => Number.isInteger(n) && (n ?? 0) > 0);
  check(whole, value, `three whole numbers for ${key}`);
  return [a ?? 1, b ?? 1, c ?? 1];
}

function check(condition: boolean, have: unknown, need: string): void {
  if (condition) return;
  throw new EngineError(
    'weights/config',
    `config.json — got ${JSON.stringify(have)}, needs ${need} — use the model's own file`,
  );
}
