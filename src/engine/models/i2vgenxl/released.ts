/** The settings of the released I2VGen-XL, as its config files state them: for plans before anything is fetched. */
import type { Config } from '../config-json.ts';
import type { I2vgenComponent } from './pipeline.ts';

/** What each part's config.json says, as far as it is read. */
export const I2VGEN_SETTINGS: Readonly<Record<I2vgenComponent, Config>> = {
  unet: {
    ...{ in_channels: 4, out_channels: 4, block_out_channels: [320, 640, 1280, 1280] },
    ...{ layers_per_block: 2, cross_attention_dim: 1024, attention_head_dim: 64 },
    norm_num_groups: 32,
  },
  vae: {
    ...{ block_out_channels: [128, 256, 512, 512], layers_per_block: 2, latent_channels: 4 },
    ...{ norm_num_groups: 32, scaling_factor: 0.18125 },
  },
  text_encoder: {
    ...{ vocab_size: 49408, hidden_size: 1024, num_hidden_layers: 24, hidden_act: 'gelu' },
    ...{ num_attention_heads: 16, intermediate_size: 4096, max_position_embeddings: 77 },
  },
  image_encoder: {
    ...{ image_size: 224, patch_size: 14, hidden_size: 1280, num_hidden_layers: 32 },
    ...{ num_attention_heads: 16, intermediate_size: 5120, hidden_act: 'gelu' },
    projection_dim: 1024,
  },
  scheduler: {
    ...{ beta_schedule: 'squaredcos_cap_v2', prediction_type: 'v_prediction' },
    ...{ rescale_betas_zero_snr: true, timestep_spacing: 'leading', steps_offset: 1 },
    ...{ set_alpha_to_one: true, clip_sample: false },
  },
};
