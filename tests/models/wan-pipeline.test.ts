import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { sizeOf } from '../../src/engine/gpu/tensor.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type {
  ComponentName,
  ComponentSource,
  Config,
} from '../../src/engine/models/wan/components.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import type { WanFrame, WanOptions } from '../../src/engine/models/wan/pipeline.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
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
import { seeded } from '../../src/engine/kernels/case.ts';

const latents = Array.from({ length: 16 }, () => 0);
const configs: Readonly<Record<'transformer' | 'vae' | 'text_encoder', Config>> = {
  transformer: {
    ...{ patch_size: [1, 2, 2], num_attention_heads: 1, attention_head_dim: 12 },
    ...{ in_channels: 16, out_channels: 16, text_dim: 8, freq_dim: 16, ffn_dim: 16, num_layers: 1 },
  },
  vae: { base_dim: 4, z_dim: 16, latents_mean: latents, latents_std: latents.map(() => 1) },
  text_encoder: {
    ...{ vocab_size: 20, d_model: 8, d_kv: 8, d_ff: 12, num_layers: 1, num_heads: 1 },
  },
};

/** The weights that the modules ask for, small and seeded, in a safetensors file. */
function randomFile(build: (root: Scope) => void): Uint8Array {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const tensors = [...checkpointWeights(graph)].map(([key, { source }]) => {
    const shape = source.kind === 'weight' ? source.stored : [];
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(key, i) / 3);
    return [key, { dtype: 'F32', shape, data }] as const;
  });
  return writeSafetensors(tensors);
}

/** A model of random weights; `opened` lists the components in the order in which they were opened. */
function randomModel(
  gpu: Gpu,
  names: readonly ComponentName[],
): ComponentSource & { readonly opened: string[] } {
  const wan = parseWanConfig(configs.transformer);
  const vae = readVaeConfig(configs.vae);
  const text = parseUmt5Config(configs.text_encoder);
  const transformer = randomFile((root) => {
    wanContext(wan)(root);
    wanTransformer(wan)(root);
  });
  const files: Partial<Record<ComponentName, Uint8Array>> = {
    transformer,
    transformer_2: transformer,
    text_encoder: randomFile((root) => {
      root.weight('shared.weight', [20, 8]);
      for (let i = 0; i < text.layers; i++) {
        const place = `encoder.block.${i}.layer.0.SelfAttention.relative_attention_bias.weight`;
        root.weight(place, [text.buckets, text.heads]);
      }
      umt5Encoder(text)(root);
    }),
    vae: randomFile((root) => {
      const stream = new Histories(gpu, 'f32').stream('first');
      vaeEncoder(vae, stream, () => undefined)(root);
      vaeDecoder(vae, stream, () => undefined)(root);
    }),
  };
  const opened: string[] = [];
  return {
    opened,
    has: (name) => names.includes(name),
    config: async (name) =>
      name === 'transformer_2' ? configs.transformer : configs[name as 'vae'],
    weights: async (name, rename) => {
      opened.push(name);
      return WeightStore.open([bytesSource(files[name] ?? new Uint8Array())], rename);
    },
  };
}

const PARTS: readonly ComponentName[] = ['transformer', 'vae', 'text_encoder'];

const request: WanRequest = {
  ...{ prompt: [7, 3, 1], width: 32, height: 16, frames: 5 },
  ...{ steps: 3, shift: 3, guidance: 4, seed: 5 },
};

const black = { width: 32, height: 16, channels: 3, data: new Float32Array(32 * 16 * 3) };

const engineOf = (gpu: Gpu): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
});

async function framesOf(
  gpu: Gpu,
  change: Partial<WanRequest> = {},
  options: WanOptions = {},
): Promise<WanFrame[]> {
  const frames: WanFrame[] = [];
  const source = randomModel(gpu, PARTS);
  for await (const frame of generate(engineOf(gpu), source, { ...request, ...change }, options))
    frames.push(frame);
  return frames;
}

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'the text pipeline on $name',
  (open) => {
    it('gives every frame once, in order, with values in 0..1, and the same for the same seed', async () => {
      const gpu = await open.gpu();
      const frames = await framesOf(gpu);
      expect(frames.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
      for (const { width, height, data } of frames) {
        expect([width, height, data.length]).toEqual([32, 16, 32 * 16 * 3]);
        expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
      }
      expect(await framesOf(gpu)).toEqual(frames);
      expect(await framesOf(gpu, { seed: 6 })).not.toEqual(frames);
      expect(await framesOf(gpu, { negativePrompt: [9, 1] })).not.toEqual(frames);
      expect(await framesOf(gpu, { prompt: [8, 3, 1] })).not.toEqual(frames);
    });

    it('does not look at the negative prompt without guidance', async () => {
      const gpu = await open.gpu();
      const frames = await framesOf(gpu, { guidance: 1 });
      expect(await framesOf(gpu, { guidance: 1, negativePrompt: [9, 4, 1] })).toEqual(frames);
    });

    it('reports its stages in order, each up to its end', async () => {
      const gpu = await open.gpu();
      const seen: { stage: string; done: number }[] = [];
      await framesOf(gpu, {}, { onProgress: ({ stage, done }) => seen.push({ stage, done }) });
      expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['text', 'denoise', 'decode']);
      for (const stage of ['text', 'denoise', 'decode']) {
        const shares = seen.filter((event) => event.stage === stage).map(({ done }) => done);
        expect(shares).toEqual(shares.toSorted((a, b) => a - b));
        expect(shares.at(-1)).toBeCloseTo(1, 6);
      }
    });

    it.each(['text', 'denoise', 'decode'])(
      'stops when it is cancelled during %s',
      async (stage) => {
        const gpu = await open.gpu();
        const controller = new AbortController();
        const run = framesOf(
          gpu,
          {},
          {
            signal: controller.signal,
            onProgress: (progress) => {
              if (progress.stage === stage) controller.abort();
            },
          },
        );
        await expect(run).rejects.toMatchObject({ name: 'AbortError' });
      },
    );

    it('opens the second expert after the first, and only for its steps', async () => {
      const gpu = await open.gpu();
      const run = async (boundary: number): Promise<string[]> => {
        const source = randomModel(gpu, [...PARTS, 'transformer_2']);
        for await (const { index } of generate(engineOf(gpu), source, { ...request, boundary }))
          expect(index).toBeLessThan(5);
        return source.opened.slice(source.opened.indexOf('text_encoder') + 1);
      };
      expect(await run(0.9)).toEqual(['transformer', 'transformer_2', 'vae']);
      expect(await run(1)).toEqual(['transformer_2', 'vae']);
      expect(await run(0)).toEqual(['transformer', 'vae']);
    });

    it.each([
      ['a width that does not fit', { width: 24 }, 'wan/size'],
      ['frames that do not fit', { frames: 6 }, 'wan/frames'],
      ['a token outside the vocabulary', { prompt: [25, 1] }, 'text/token'],
      ['a picture it has no use for', { image: black }, 'wan/image'],
    ] as const)('refuses %s', async (_, change, code) => {
      await expect(framesOf(await open.gpu(), change)).rejects.toMatchObject({ code });
    });
  },
);
