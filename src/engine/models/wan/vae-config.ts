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

/** Returns the config in parsed JSON. Throws `weights/config` for values that no Wan autoencoder has. */
export function readVaeConfig(json: Readonly<Record<string, unknown>>): VaeConfig {
  const base_dim = whole(json, 'base_dim', 96);
  const config: VaeConfig = {
    base_dim,
    decoder_base_dim: whole(json, 'decoder_base_dim', base_dim),
    z_dim: whole(json, 'z_dim', 16),
    dim_mult: numbers(json, 'dim_mult', [1, 2, 4, 4]),
    num_res_blocks: whole(json, 'num_res_blocks', 2),
    temperal_downsample: flags(json, 'temperal_downsample', [false, true, true]),
    latents_mean: numbers(json, 'latents_mean', []),
    latents_std: numbers(json, 'latents_std', []),
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
