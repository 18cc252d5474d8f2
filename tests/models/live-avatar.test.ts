import { describe, expect, it } from 'vitest';
import type { Sound } from '../../src/engine/audio/sound.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import { Graph, checkpointWeights } from '../../src/engine/graph/graph.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { audioEncoder } from '../../src/engine/models/live-avatar/audio-encoder.ts';
import { soundKeys } from '../../src/engine/models/live-avatar/audio-injector.ts';
import { parseAvatarConfig } from '../../src/engine/models/live-avatar/config.ts';
import type { AvatarFrame } from '../../src/engine/models/live-avatar/frames.ts';
import { speak } from '../../src/engine/models/live-avatar/pipeline.ts';
import type { AvatarRequest } from '../../src/engine/models/live-avatar/request.ts';
import { avatarBody, avatarHead, modulation } from '../../src/engine/models/live-avatar/s2v.ts';
import { conditionTokens, noisyTokens } from '../../src/engine/models/live-avatar/tokens.ts';
import { parseWav2Vec2Config } from '../../src/engine/models/live-avatar/wav2vec2-config.ts';
import { featureExtractor, wav2vec2 } from '../../src/engine/models/live-avatar/wav2vec2.ts';
import type { ComponentSource, Config } from '../../src/engine/models/wan/components.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { parseUmt5Config, umt5Encoder } from '../../src/engine/models/wan/umt5.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { vaeEncoder } from '../../src/engine/models/wan/vae-encoder.ts';
import { Histories } from '../../src/engine/nn/histories.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from '../../src/engine/weights/safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';

const zeros = Array.from({ length: 16 }, () => 0);
const STATES = 3;
const configs: Readonly<Record<string, Config>> = {
  transformer: {
    ...{ dim: 16, num_heads: 1, ffn_dim: 16, num_layers: 2, in_dim: 16, out_dim: 16 },
    ...{ freq_dim: 16, text_dim: 8, text_len: 20, audio_dim: 8, num_audio_token: 4 },
    ...{ audio_inject_layers: [0], cond_dim: 16 },
  },
  vae: {
    ...{ base_dim: 4, dim_mult: [1, 1, 1, 1], num_res_blocks: 1, z_dim: 16 },
    ...{ latents_mean: zeros, latents_std: zeros.map(() => 1) },
  },
  text_encoder: {
    ...{ vocab_size: 20, d_model: 8, d_kv: 8, d_ff: 12, num_layers: 1, num_heads: 1 },
  },
  audio_encoder: {
    ...{ hidden_size: 8, num_attention_heads: 1, intermediate_size: 8, num_hidden_layers: 2 },
    ...{ feat_extract_norm: 'layer', do_stable_layer_norm: true, hidden_act: 'gelu' },
    ...{ feat_extract_activation: 'gelu', conv_dim: [4, 4, 4], conv_kernel: [10, 8, 8] },
    ...{ conv_stride: [5, 8, 8], num_conv_pos_embeddings: 4, num_conv_pos_embedding_groups: 2 },
  },
};

type Shapes = Readonly<Record<string, readonly number[]>>;

/** The weights that the modules ask for, small and seeded, in a safetensors file; `more` are others, `less` are left out. */
function randomFile(build: (root: Scope) => void, more: Shapes = {}, less = /^$/): Uint8Array {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const asked = [...checkpointWeights(graph)].map(([key, { source }]) => {
    return [key, source.kind === 'weight' ? source.stored : []] as const;
  });
  const all = [...asked.filter(([key]) => !less.test(key)), ...Object.entries(more)];
  const tensors = all.map(([key, shape]) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3 + 0.05);
    return [key, { dtype: 'F32', shape: [...shape], data }] as const;
  });
  return writeSafetensors(tensors);
}

function randomModel(gpu: Gpu): ComponentSource {
  const avatar = parseAvatarConfig(configs['transformer'] ?? {});
  const vae = readVaeConfig(configs['vae'] ?? {});
  const text = parseUmt5Config(configs['text_encoder'] ?? {});
  const hearing = parseWav2Vec2Config(configs['audio_encoder'] ?? {});
  const conv = 'wav2vec2.encoder.pos_conv_embed.conv';
  const files: Readonly<Record<string, Uint8Array>> = {
    transformer: randomFile(
      (root) => {
        for (const part of [wanContext, modulation, noisyTokens, conditionTokens, audioEncoder])
          part(avatar)(root);
        for (const part of [soundKeys, avatarBody, avatarHead]) part(avatar)(root);
      },
      { 'casual_audio_encoder.weights': [1, STATES, 1, 1] },
    ),
    vae: randomFile((root) => {
      const stream = new Histories(gpu, 'f32').stream('first');
      vaeEncoder(vae, stream, () => undefined)(root);
      vaeDecoder(vae, stream, () => undefined)(root);
    }),
    text_encoder: randomFile((root) => {
      root.weight('shared.weight', [20, 8]);
      const place = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
      root.weight(place, [text.buckets, text.heads]);
      umt5Encoder(text)(root);
    }),
    audio_encoder: randomFile(
      (root) => {
        featureExtractor(hearing)(root);
        wav2vec2(hearing)(root);
      },
      { [`${conv}.weight_g`]: [1, 1, 4], [`${conv}.weight_v`]: [8, 4, 4], [`${conv}.bias`]: [8] },
      /pos_conv_embed\.conv\.\d/,
    ),
  };
  return {
    has: (name) => name in files,
    config: async (name) => configs[name] ?? {},
    weights: async (name, rename) =>
      WeightStore.open([bytesSource(files[name] ?? new Uint8Array())], rename),
  };
}

const engineOf = (gpu: Gpu): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
});

const soundOf = (seconds: number, rate = 16_000, hertz = 300): Sound => ({
  sampleRate: rate,
  channels: [
    Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => {
      const t = i / rate;
      return Math.sin(2 * Math.PI * hertz * t) * Math.sin(9 * t);
    }),
  ],
});

const image = {
  ...{ width: 70, height: 80, channels: 3 },
  data: Float32Array.from({ length: 70 * 80 * 3 }, (_, i) => (seeded('picture', i) + 1) / 2),
};

const request: AvatarRequest = {
  ...{ prompt: [7, 3, 1], image, size: '64*64', sample_steps: 3, infer_frames: 12 },
  sound: soundOf(0.7),
};

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'an avatar on $name',
  (open) => {
    type Run = {
      readonly frames: AvatarFrame[];
      readonly bytes: number[];
      readonly events: string[];
    };

    async function run(change: Partial<AvatarRequest>, signal?: AbortSignal): Promise<Run> {
      const gpu = await open.gpu();
      const got: Run = { frames: [], bytes: [], events: [] };
      const frames = speak(
        engineOf(gpu),
        randomModel(gpu),
        { ...request, ...change },
        {
          ...(signal && { signal }),
          onBlock: (_, bytes) => got.bytes.push(bytes),
          onProgress: ({ stage, block = -1, done }) => {
            const event = `${stage} ${block} ${done === 1 ? 'end' : 'on'}`;
            if (got.events.at(-1) !== event) got.events.push(event);
          },
        },
      );
      for await (const frame of frames) got.frames.push(frame);
      return got;
    }

    it('speaks as long as the sound lasts, block after block, in memory that does not grow', async () => {
      const { frames, bytes, events } = await run({ sound: soundOf(3.6), infer_frames: 24 });
      expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: 60 }, (_, i) => i));
      for (const { width, height, data } of frames)
        expect([width, height, data.length]).toEqual([64, 64, 64 * 64 * 4]);
      expect(frames[0]?.data).toEqual(frames[3]?.data);
      expect(frames[3]?.data).not.toEqual(frames[4]?.data);
      expect(bytes).toHaveLength(5);
      expect(new Set(bytes.slice(1)).size).toBe(1); // two slots are full from the second block on
      // Block 3 is denoised while block 2 is decoded.
      const at = (event: string): number => events.indexOf(event);
      expect(at('denoise 3 on')).toBeGreaterThan(0);
      expect(at('denoise 3 on')).toBeLessThan(at('decode 2 end'));
    });

    it('follows its seed, its sound and its prompt, however it loads its parts', async () => {
      const hashes = async (change: Partial<AvatarRequest>): Promise<string> => {
        const { frames } = await run(change);
        return frames.map(({ data }) => data.reduce((h, x) => (h * 31 + x) % 1_000_003, 7)).join();
      };
      const first = await hashes({});
      expect(await hashes({ offload_model: false })).toBe(first);
      const changes: Partial<AvatarRequest>[] = [
        { base_seed: 421 },
        { sound: soundOf(0.7, 16_000, 500) },
        { prompt: [8, 3, 1] },
        { sample_steps: 4 },
        { skip_last_step: true },
      ];
      const seen = new Set([first]);
      for (const change of changes) seen.add(await hashes(change));
      expect(seen.size).toBe(changes.length + 1);
    });

    it('takes its past from the first clip where it is told to', async () => {
      const sound = soundOf(1.4);
      const still = await run({ sound });
      const online = await run({ sound, enable_online_decode: true });
      expect(online.frames).toHaveLength(24);
      expect(online.frames.slice(0, 12)).toEqual(still.frames.slice(0, 12));
      expect(online.frames.slice(12)).not.toEqual(still.frames.slice(12));
      const one = await run({ sound, num_clip: 1 });
      expect(one.frames).toEqual(still.frames.slice(0, 12));
    });

    it('stops when it is cancelled', async () => {
      const controller = new AbortController();
      const cancelled = run({}, controller.signal);
      controller.abort();
      await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    });

    it.each([
      [
        'an empty sound',
        { sound: { channels: [new Float32Array()], sampleRate: 8000 } },
        'audio/empty',
      ],
      ['a sound shorter than a frame', { sound: soundOf(0.001) }, 'audio/short'],
      [
        'a picture that no size fits',
        { image: { ...image, width: 8400, height: 1, data: new Float32Array(25_200) } },
        'avatar/size',
      ],
      ['a picture with a fourth channel', { image: { ...image, channels: 4 } }, 'avatar/image'],
      ['two steps', { sample_steps: 2 }, 'avatar/sample_steps'],
      ['clips of 80 frames', { infer_frames: 80 }, 'avatar/infer_frames'],
      ['a size that is none', { size: 'large' }, 'avatar/size'],
      ['guidance', { sample_guide_scale: 4.5 }, 'avatar/sample_guide_scale'],
      ['no prompt at all', { prompt: [] }, 'avatar/prompt'],
      ['no clip', { num_clip: 0 }, 'avatar/num_clip'],
    ] as const)('refuses %s', async (_, change, code) => {
      await expect(run(change)).rejects.toMatchObject({ code });
    });
  },
);
