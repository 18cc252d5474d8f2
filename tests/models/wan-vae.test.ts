import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { createTensor, sizeOf, writeTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import type { VaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { vaeEncoder } from '../../src/engine/models/wan/vae-encoder.ts';
import { renameVae } from '../../src/engine/models/wan/vae-names.ts';
import { Mosaic, cut, scaleTiling, startsOf } from '../../src/engine/models/wan/vae-tiles.ts';
import type { Tiling, Volume } from '../../src/engine/models/wan/vae-tiles.ts';
import { WanVae } from '../../src/engine/models/wan/vae.ts';
import type { VaeOptions } from '../../src/engine/models/wan/vae.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import type { WeightSource } from '../../src/engine/weights/upload.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import { seeded } from '../../src/engine/kernels/case.ts';

const base = {
  base_dim: 4,
  dim_mult: [1, 2, 2],
  num_res_blocks: 1,
  temperal_downsample: [false, true],
  latents_mean: [0.5, -0.25, 0],
  latents_std: [2, 0.5, 1],
  z_dim: 3,
};
const wan21 = readVaeConfig(base);
const wan22 = readVaeConfig({
  ...base,
  ...{ is_residual: true, patch_size: 2, in_channels: 12, out_channels: 12 },
});

/** Shapes of all weights of an autoencoder, by name. */
function weightShapes(config: VaeConfig): Map<string, readonly number[]> {
  const graph = new Graph({ precision: 'f32' });
  const stream = {
    part: 'image',
    history: () => {
      throw new Error('one chunk keeps no history');
    },
  } as const;
  const given = (shape: readonly number[]) =>
    graph.constant('x', new Float32Array(sizeOf(shape)), shape);
  vaeEncoder(config, stream, () => {})(new Scope(graph))(given([1, 16, 16, 3]));
  vaeDecoder(config, stream, () => {})(new Scope(graph))(given([1, 4, 4, config.z_dim]));
  return new Map(
    [...graph.weights].map(([name, { source, shape }]) => [
      name,
      source.kind === 'weight' ? source.stored : shape,
    ]),
  );
}

/** Random weights, about as large as training leaves them. */
function randomWeights(config: VaeConfig): WeightSource {
  const shapes = weightShapes(config);
  const shapeOf = (name: string): readonly number[] => shapes.get(name) ?? [];
  return {
    info: (name) => ({ shape: shapeOf(name) }),
    read: async (name) => {
      const shape = shapeOf(name);
      const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
      const small = name.startsWith('decoder.conv_out') ? 0.1 : 1; // frames stay clear of the clamp
      const scale = name.endsWith('gamma') ? 1 : small * Math.sqrt(3 / fanIn);
      return Float32Array.from({ length: sizeOf(shape) }, (_, i) => scale * seeded(name, i));
    },
  };
}

function random(name: string, shape: Volume['shape']): Volume {
  return { values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => seeded(name, i)), shape };
}

function model(gpu: Gpu, config: VaeConfig, options: VaeOptions = {}): WanVae {
  const engine = { gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu) };
  return new WanVae({ ...engine, precision: 'f32' }, randomWeights(config), config, options);
}

function furthest(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] ?? NaN))), 0);
}

// One adapter: the kernels themselves are swept on every one.
describe.each(testGpus().slice(0, 1))('the Wan autoencoder on $name', (open) => {
  it.each([
    ['2.1', wan21, 9],
    ['2.2', wan22, 11],
  ])('%s gives the same however frames are grouped, and again', async (_, config, T) => {
    const gpu = await open.gpu();
    const [single, double] = [model(gpu, config), model(gpu, config, { latentsPerChunk: 2 })];
    const pixels = 4 * config.patch_size;
    const video = random('video', [T, 3 * pixels, 2 * pixels, 3]);
    const latents = await single.encode(video);
    expect(latents.shape).toEqual([5, 3, 2, 3]);
    expect(furthest((await double.encode(video)).values, latents.values)).toBeLessThan(1e-5);
    expect((await single.encode(video)).values).toEqual(latents.values);
    const frames = await single.decodeAll(latents);
    expect(frames.shape).toEqual([9, 3 * pixels, 2 * pixels, 3]);
    expect(Math.max(...frames.values)).toBeLessThanOrEqual(1);
    expect(furthest((await double.decodeAll(latents)).values, frames.values)).toBeLessThan(1e-5);
    expect((await single.decodeAll(latents)).values).toEqual(frames.values);
    single.destroy();
    double.destroy();
  });

  it('treats one picture as the first chunk of a video', async () => {
    const gpu = await open.gpu();
    const vae = model(gpu, wan21);
    const video = random('video', [5, 8, 12, 3]);
    const picture: Volume = {
      values: video.values.subarray(0, 8 * 12 * 3),
      shape: [1, 8, 12, 3],
    };
    const whole = await vae.encode(video);
    const single = await vae.encode(picture);
    expect(single.values).toEqual(whole.values.subarray(0, single.values.length));
    const chunks: number[] = [];
    for await (const { first, shape } of vae.decode(whole)) chunks.push(first, shape[0]);
    expect(chunks).toEqual([0, 1, 1, 2, 3, 2]);
    vae.destroy();
  });

  it.each([
    ['whole', 'never'],
    ['in tiles', { rows: { tile: 8, stride: 4 }, columns: { tile: 8, stride: 4 } }],
  ] as const)(
    '%s takes frames that are missing for grey, on the host and on the device',
    async (_, tiling) => {
      const gpu = await open.gpu();
      const vae = model(gpu, wan21, { tiling });
      const shape = [13, 8, 12, 3] as const;
      const first = random('first', [1, 8, 12, 3]).values;
      const last = random('last', [1, 8, 12, 3]).values;
      const values = new Float32Array(sizeOf(shape));
      values.set(first);
      values.set(last, values.length - last.length);
      const whole = await vae.encode({ values, shape });
      const onDevice = createTensor(gpu.device, 'last', [1, 8, 12, 3]);
      writeTensor(gpu.device, onDevice, last);
      await vae.encode(random('video', shape)); // nothing of another video may stay
      for (const end of [last, onDevice]) {
        const known = new Map([[0, first] as const, [12, end] as const]);
        expect(await vae.encode({ shape, known })).toEqual(whole);
      }
      onDevice.buffer.destroy();
      vae.destroy();
    },
  );

  it('in tiles gives what its tiles give alone, mixed', async () => {
    const gpu = await open.gpu();
    const span = { tile: 16, stride: 12 };
    const tiling = { rows: span, columns: span };
    const tiled = model(gpu, wan21, { tiling });
    const whole = model(gpu, wan21, { tiling: 'never' });
    const video = random('video', [5, 20, 28, 3]);
    const latents = await tiled.encode(video);
    const alone = async (y: number, x: number): Promise<Volume> =>
      whole.encode(cut(video, y, x, tiling));
    const encoded = new Mosaic([3, 5, 7, 3], scaleTiling(tiling, 1 / 4), 1);
    for (const y of [0, 12]) {
      for (const x of [0, 12, 24]) encoded.add(await alone(y, x));
    }
    expect(furthest(latents.values, encoded.volume.values)).toBeLessThan(1e-5);
    const frames = await tiled.decodeAll(latents);
    expect(frames.values.every((v) => Math.abs(v) < 1)).toBe(true); // else clamping and mixing would not commute
    const decoded = new Mosaic([5, 20, 28, 3], tiling, 1);
    const latentTile = async (y: number, x: number): Promise<Volume> =>
      whole.decodeAll(cut(latents, y, x, scaleTiling(tiling, 1 / 4)));
    for (const y of [0, 3]) {
      for (const x of [0, 3, 6]) decoded.add(await latentTile(y, x));
    }
    expect(furthest(frames.values, decoded.volume.values)).toBeLessThan(1e-5);
    tiled.destroy();
    whole.destroy();
  });

  it('stops at an aborted signal and reports progress up to one', async () => {
    const gpu = await open.gpu();
    const vae = model(gpu, wan21);
    const video = random('video', [5, 8, 8, 3]);
    const seen: number[] = [];
    await vae.encode(video, { onProgress: (done) => seen.push(done) });
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
    expect(seen.at(-1)).toBeCloseTo(1, 6);
    const run = vae.encode(video, { signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    vae.destroy();
  });

  it('refuses sizes that latents cannot hold', async () => {
    const vae = model(await open.gpu(), wan22);
    const video = random('video', [1, 12, 16, 3]);
    await expect(vae.encode(video)).rejects.toMatchObject({ code: 'vae/size', need: 8 });
  });
});

describe('tiles', () => {
  const tiling: Tiling = { rows: { tile: 6, stride: 4 }, columns: { tile: 5, stride: 3 } };

  it('that nobody changed give back what was cut', () => {
    const whole = random('whole', [2, 11, 7, 3]);
    const mosaic = new Mosaic(whole.shape, tiling, 1);
    for (const y of startsOf(11, tiling.rows)) {
      for (const x of startsOf(7, tiling.columns)) mosaic.add(cut(whole, y, x, tiling));
    }
    expect(furthest(mosaic.volume.values, whole.values)).toBeLessThan(1e-6);
  });

  it('mix linearly where they overlap, in steps of the grain', () => {
    const flat = (value: number): Volume => ({
      values: new Float32Array(6).fill(value),
      shape: [1, 1, 6, 1],
    });
    const row = { rows: { tile: 1, stride: 1 }, columns: { tile: 6, stride: 2 } };
    const mixed = (grain: number): number[] => {
      const mosaic = new Mosaic([1, 1, 8, 1], row, grain);
      mosaic.add(flat(0));
      mosaic.add(flat(1));
      return [...mosaic.volume.values.subarray(0, 4)];
    };
    expect(mixed(1)).toEqual([0, 0, 0, 0.25]);
    expect(mixed(2)).toEqual([0, 0, 0, 0]);
  });
});

describe('original names', () => {
  it.each([
    [wan21, 'encoder.down_blocks.2.conv1.weight', 'encoder.downsamples.2.residual.2.weight'],
    [wan21, 'encoder.down_blocks.1.resample.1.bias', 'encoder.downsamples.1.resample.1.bias'],
    [wan21, 'decoder.up_blocks.1.resnets.1.norm2.gamma', 'decoder.upsamples.4.residual.3.gamma'],
    [
      wan21,
      'decoder.up_blocks.1.upsamplers.0.time_conv.bias',
      'decoder.upsamples.5.time_conv.bias',
    ],
    [
      wan22,
      'encoder.down_blocks.1.downsampler.time_conv.bias',
      'encoder.downsamples.1.downsamples.1.time_conv.bias',
    ],
    [
      wan22,
      'decoder.up_blocks.0.resnets.1.conv_shortcut.bias',
      'decoder.upsamples.0.upsamples.1.shortcut.bias',
    ],
    [
      wan22,
      'decoder.up_blocks.0.upsampler.resample.1.bias',
      'decoder.upsamples.0.upsamples.2.resample.1.bias',
    ],
    [wan22, 'decoder.mid_block.resnets.1.conv2.bias', 'decoder.middle.2.residual.6.bias'],
    [wan22, 'encoder.mid_block.attentions.0.to_qkv.bias', 'encoder.middle.1.to_qkv.bias'],
    [wan22, 'encoder.norm_out.gamma', 'encoder.head.0.gamma'],
    [wan22, 'post_quant_conv.weight', 'conv2.weight'],
  ])('of %# are found', (config, name, original) => {
    expect(renameVae(config)(name)).toBe(original);
  });

  it('are all different', () => {
    for (const config of [wan21, wan22]) {
      const names = [...weightShapes(config).keys()].map(renameVae(config));
      expect(names).not.toContain(undefined);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('the autoencoder config', () => {
  it.each([
    [{ ...base, z_dim: 0 }, 'z_dim'],
    [{ ...base, latents_std: [1] }, 'latents_std'],
    [{ ...base, dim_mult: [1, 2] }, 'temperal_downsample'],
    [{ ...base, attn_scales: [0.5] }, 'attn_scales'],
  ])('is refused with the name of what is wrong: %#', (json, name) => {
    expect(() => readVaeConfig(json)).toThrow(
      expect.objectContaining({ code: 'weights/config', message: expect.stringContaining(name) }),
    );
  });
});
