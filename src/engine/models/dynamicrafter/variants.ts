/** The released DynamiCrafter models: sizes and how each is sampled. */
import type { DynamiCrafterSampling } from './config.ts';

export type DynamiCrafterVariant = '256' | '512' | '1024' | '512-interpolation';

export type VariantFacts = {
  readonly width: number;
  readonly height: number;
  readonly sampling: DynamiCrafterSampling;
  /** Frame stride (256) or frames a second: usual value and the range that was trained. */
  readonly rate: { readonly usual: number; readonly least: number; readonly most: number };
  /** Share of the guided output that gets the spread of the conditional one back. */
  readonly rescale: number;
  /** Whether it joins pictures: interpolation and loops need it. */
  readonly joins: boolean;
  /** Whether image attention has a learned scale in each layer. */
  readonly learnedScale: boolean;
};

const trailing = (baseScale: number): DynamiCrafterSampling => ({
  zeroSnr: true,
  prediction: 'v_prediction',
  spacing: 'uniform_trailing',
  baseScale,
});

/** What the authors' scripts and configs state for each model. */
export const VARIANTS: Readonly<Record<DynamiCrafterVariant, VariantFacts>> = {
  '256': {
    ...{ width: 256, height: 256, rescale: 0, joins: false, learnedScale: true },
    sampling: { zeroSnr: false, prediction: 'epsilon', spacing: 'uniform' },
    rate: { usual: 3, least: 1, most: 6 },
  },
  '512': {
    ...{ width: 512, height: 320, rescale: 0.7, joins: false, learnedScale: false },
    sampling: trailing(0.7),
    rate: { usual: 24, least: 15, most: 30 },
  },
  '1024': {
    ...{ width: 1024, height: 576, rescale: 0.7, joins: false, learnedScale: false },
    sampling: trailing(0.3),
    rate: { usual: 10, least: 5, most: 15 },
  },
  '512-interpolation': {
    ...{ width: 512, height: 320, rescale: 0.7, joins: true, learnedScale: false },
    sampling: trailing(0.7),
    rate: { usual: 5, least: 5, most: 30 },
  },
};

/** Sizes for a quick look, of about the shape that each model was trained at. */
export const PREVIEW_SIZES: Readonly<
  Record<DynamiCrafterVariant, { readonly width: number; readonly height: number }>
> = {
  '256': { width: 256, height: 256 },
  '512': { width: 320, height: 192 },
  '1024': { width: 512, height: 320 },
  '512-interpolation': { width: 320, height: 192 },
};

/** Frames that every released model makes. */
const FRAMES = 16;

/** Returns the settings of a released model in the form of its authors' config files. */
export function variantParams(variant: DynamiCrafterVariant): Readonly<Record<string, unknown>> {
  const { sampling, learnedScale, rate } = VARIANTS[variant];
  const unet = {
    ...{ in_channels: 8, out_channels: 4, model_channels: 320, num_res_blocks: 2 },
    ...{ attention_resolutions: [4, 2, 1], channel_mult: [1, 2, 4, 4], num_head_channels: 64 },
    ...{ transformer_depth: 1, context_dim: 1024, temporal_length: FRAMES },
    ...{ use_relative_position: false, use_causal_attention: false, image_cross_attention: true },
    ...{ image_cross_attention_scale_learnable: learnedScale, default_fs: rate.usual },
  };
  const dd = {
    ...{ z_channels: 4, in_channels: 3, out_ch: 3, ch: 128 },
    ...{ ch_mult: [1, 2, 4, 4], num_res_blocks: 2 },
  };
  const resampler = {
    ...{ dim: 1024, depth: 4, dim_head: 64, heads: 12, num_queries: 16 },
    ...{ embedding_dim: 1280, output_dim: 1024, ff_mult: 4, video_length: FRAMES },
  };
  return {
    rescale_betas_zero_snr: sampling.zeroSnr,
    parameterization: sampling.prediction === 'v_prediction' ? 'v' : 'eps',
    use_dynamic_rescale: sampling.baseScale !== undefined,
    base_scale: sampling.baseScale,
    scale_factor: 0.18215,
    unet_config: { params: unet },
    first_stage_config: { params: { ddconfig: dd } },
    image_proj_stage_config: { params: resampler },
  };
}
