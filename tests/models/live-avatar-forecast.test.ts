import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/engine/gpu/device.ts';
import type { AvatarFootprint } from '../../src/engine/models/live-avatar/forecast.ts';
import { forecastAvatar } from '../../src/engine/models/live-avatar/forecast.ts';

const GIB = 2 ** 30;

/** A graphics card with half precision and large buffers. */
const caps: Capabilities = {
  ...{ f16: true, subgroups: true, timestamps: false, software: false },
  ...{ subgroupSize: { min: 32, max: 32 }, subgroupMatrix: [], workgroupBytes: 32_768 },
  ...{ maxBindingBytes: 4 * GIB, maxBufferBytes: 4 * GIB },
};

/** Wan 2.2 S2V 14B and its autoencoder, as released. */
const parts = {
  transformer: {
    ...{ dim: 5120, num_heads: 40, ffn_dim: 13_824, num_layers: 40, in_dim: 16, out_dim: 16 },
    ...{ freq_dim: 256, text_dim: 4096, text_len: 512, audio_dim: 1024, num_audio_token: 4 },
    ...{ audio_inject_layers: [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39], cond_dim: 16 },
  },
  vae: { dim: 96, z_dim: 16 },
};

const footprint: AvatarFootprint = {
  ...{ sample_steps: 4, skip_last_step: false, infer_frames: 48, kv_cache: 'int8' },
  ...{ video: { width: 384, height: 256 }, tokens: 80, weights: 'int4', blocks: 7 },
};

describe('the memory of an avatar at real size', () => {
  it('is the same after every block once its rings are full, and fits a card of 24 GB with 4-bit weights', async () => {
    const { blockBytes, peakBytes, blockFlops } = await forecastAvatar(
      parts,
      footprint,
      'f16',
      caps,
    );
    expect(new Set(blockBytes.slice(3)).size).toBe(1);
    expect(peakBytes).toBeLessThan(18e9);
    expect(peakBytes).toBeGreaterThan(15e9);
    // 34.8 TFLOP a forward by the specification, four of them, and what is heard.
    expect(blockFlops / 1e12).toBeGreaterThan(135);
    expect(blockFlops / 1e12).toBeLessThan(145);
  });
});
