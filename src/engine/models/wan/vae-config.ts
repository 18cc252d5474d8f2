/** What a Wan autoencoder's config.json says, in the diffusers spelling, checked. */
import { EngineError } from '../../gpu/errors.ts';

export type VaeConfig = {
  readonly base_dim: number;
  readonly decoder_base_dim: number;
  readonly z_dim: number;
  readonly dim_mult: readonly number[];
  readonly num_res_blocks: number;
  /** For each down-sampling whether it halves the frames too. */
  readonly temperal_downsample: readonly boolean[];
  readonly latents_mean: readonly number[];
  readonly latents_std: readonly number[];
  /** Shortcuts without parameters around the stages: Wan 2.2. */
  readonly is_residual: boolean;
  readonly in_channels: number;
  readonly out_channels: number;
  /** Pixels that are folded into the channels outside of the network, along each side. */
  readonly patch_size: number;
};

/** Means and deviations of the 16 latent channels of Wan 2.1: its original config does not name them. */
const WAN21_MEAN = [
  ...[-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508],
  ...[0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921],
];
const WAN21_STD = [
  ...[2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743],
  ...[3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.916],
];

/**
 * Returns the config in parsed JSON, of diffusers or of the original repository's 2.1 (`dim` in place of `base_dim`).
 * Throws `weights/config` for values that no Wan autoencoder has.
 */
export function readVaeConfig(json: Readonly<Record<string, unknown>>): VaeConfig {
  const original = json['base_dim'] === undefined && json['dim'] !== undefined;
  const base_dim = original ? whole(json, 'dim', 96) : whole(json, 'base_dim', 96);
  const config: VaeConfig = {
    base_dim,
    decoder_base_dim: whole(json, 'decoder_base_dim', base_dim),
    z_dim: whole(json, 'z_dim', 16),
    dim_mult: numbers(json, 'dim_mult', [1, 2, 4, 4]),
    num_res_blocks: whole(json, 'num_res_blocks', 2),
    temperal_downsample: flags(json, 'temperal_downsample', [false, true, true]),
    latents_mean: numbers(json, 'latents_mean', original ? WAN21_MEAN : []),
    latents_std: numbers(json, 'latents_std', original ? WAN21_STD : []),
    is_residual: json['is_residual'] === true,
    in_channels: whole(json, 'in_channels', 3),
    out_channels: whole(json, 'out_channels', 3),
    patch_size: whole(json, 'patch_size', 1),
  };
  const { z_dim, latents_mean, latents_std, dim_mult, temperal_downsample } = config;
  if (latents_mean.length !== z_dim || latents_std.length !== z_dim) {
    throw wrong('latents_mean, latents_std', latents_mean.length, `${z_dim} numbers each`);
  }
  if (temperal_downsample.length !== dim_mult.length - 1) {
    throw wrong('temperal_downsample', temperal_downsample.length, `${dim_mult.length - 1} flags`);
  }
  const scales = json['attn_scales'];
  if (Array.isArray(scales) && scales.length > 0) {
    throw wrong('attn_scales', scales.join(', '), 'none, as in every released model');
  }
  return config;
}

/** Frames of video that one latent frame stands for, the first one aside. */
export const framesPerLatent = ({ temperal_downsample }: VaeConfig): number =>
  2 ** temperal_downsample.filter((halves) => halves).length;

/** Pixels along each side that one latent pixel stands for. */
export const pixelsPerLatent = ({ dim_mult, patch_size }: VaeConfig): number =>
  patch_size * 2 ** (dim_mult.length - 1);

function wrong(name: string, have: unknown, need: string): EngineError {
  return new EngineError(
    'weights/config',
    `autoencoder config, ${name} — got ${String(have)}, needs ${need} — use the config of a Wan autoencoder`,
    { stage: 'vae' },
  );
}

function whole(json: Readonly<Record<string, unknown>>, name: string, usual: number): number {
  const value = json[name] ?? usual;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw wrong(name, value, 'a positive whole number');
  }
  return value;
}

function numbers(
  json: Readonly<Record<string, unknown>>,
  name: string,
  usual: readonly number[],
): readonly number[] {
  const value = json[name] ?? usual;
  if (!Array.isArray(value) || !value.every((v): v is number => Number.isFinite(v))) {
    throw wrong(name, value, 'a list of numbers');
  }
  return value;
}

function flags(
  json: Readonly<Record<string, unknown>>,
  name: string,
  usual: readonly boolean[],
): readonly boolean[] {
  const value = json[name] ?? usual;
  if (!Array.isArray(value) || !value.every((v): v is boolean => typeof v === 'boolean')) {
    throw wrong(name, value, 'a list of true and false');
  }
  return value;
}
