/**
 * Seconds a block of a picture that speaks, at real size with random weights: `node scripts/run.mjs bench/avatar.ts
 * [--size 384x256] [--weights int4|int8|f16] [--kv int8|float] [--steps 3,4,5,6] [--adapter default] [--tiny]`. The
 * decoder runs beside the denoising, as in the pipeline. Prints a table and, for each row, the peak of the device's memory.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { openAdapter } from '../scripts/verify/adapter.ts';
import type { AdapterChoice } from '../scripts/verify/adapter.ts';
import { meterBuffers } from '../src/engine/gpu/memory.ts';
import type { Gpu } from '../src/engine/gpu/device.ts';
import { Graph, checkpointWeights } from '../src/engine/graph/graph.ts';
import { Executor } from '../src/engine/graph/replay.ts';
import { seeded } from '../src/engine/kernels/case.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { audioEncoder } from '../src/engine/models/live-avatar/audio-encoder.ts';
import { soundKeys } from '../src/engine/models/live-avatar/audio-injector.ts';
import { parseAvatarConfig } from '../src/engine/models/live-avatar/config.ts';
import { avatarPolicy } from '../src/engine/models/live-avatar/policy.ts';
import { avatarBody, avatarHead, modulation } from '../src/engine/models/live-avatar/s2v.ts';
import { avatarSampler } from '../src/engine/models/live-avatar/schedule.ts';
import {
  AvatarStream,
  BLOCK_FRAMES,
  BLOCK_LATENTS,
} from '../src/engine/models/live-avatar/stream.ts';
import {
  MOTION_LATENTS,
  conditionTokens,
  noisyTokens,
} from '../src/engine/models/live-avatar/tokens.ts';
import { wanContext } from '../src/engine/models/wan/context.ts';
import { pixelsPerLatent, readVaeConfig } from '../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../src/engine/models/wan/vae-decoder.ts';
import { vaeEncoder } from '../src/engine/models/wan/vae-encoder.ts';
import { WanVae } from '../src/engine/models/wan/vae.ts';
import type { Stream } from '../src/engine/nn/histories.ts';
import { Scope } from '../src/engine/nn/module.ts';
import type { Engine } from '../src/engine/nn/run-once.ts';
import { normal } from '../src/engine/sampling/rng.ts';
import type { WeightSource } from '../src/engine/weights/upload.ts';

const REAL = {
  ...{ dim: 5120, num_heads: 40, ffn_dim: 13_824, num_layers: 40, in_dim: 16, out_dim: 16 },
  ...{ freq_dim: 256, text_dim: 4096, text_len: 512, audio_dim: 1024, num_audio_token: 4 },
  ...{ audio_inject_layers: [0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39], cond_dim: 16 },
};
/** To see that the program runs. */
const TINY = {
  ...REAL,
  dim: 64,
  num_heads: 4,
  ffn_dim: 64,
  num_layers: 2,
  audio_inject_layers: [0],
};

/** Blocks that are looked at: the rings are full from the fourth on. */
const BLOCKS = 8;
const FIRST_TIMED = 5;
const PROMPT_TOKENS = 80;

/** Values of a pool: as many as go to the device at once. */
const POOL = 2 ** 20;

/** Random values without end: a pool for each spread. Matrices keep the spread of what they multiply, norms lie about one. */
function randomSource(shapes: ReadonlyMap<string, readonly number[]>): WeightSource {
  const pools = new Map<string, Float32Array<ArrayBuffer>>();
  const poolOf = (name: string, shape: readonly number[]): Float32Array<ArrayBuffer> => {
    const norm = /norm.*weight$|gamma$/.test(name);
    const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
    const scale = norm || shape.length < 2 ? 0.1 : Math.sqrt(3 / fanIn);
    const key = `${scale} ${norm}`;
    const known = pools.get(key);
    if (known) return known;
    const pool = Float32Array.from(
      { length: POOL },
      (_, i) => scale * seeded(key, i) + Number(norm),
    );
    pools.set(key, pool);
    return pool;
  };
  const shapeOf = (name: string): readonly number[] => shapes.get(name) ?? [];
  const sizeOf = (name: string): number => shapeOf(name).reduce((a, b) => a * b, 1);
  const source = {
    info: (name: string) => ({ shape: shapeOf(name) }),
    async *pieces(name: string) {
      const pool = poolOf(name, shapeOf(name));
      for (let left = sizeOf(name); left > 0; left -= POOL)
        yield pool.subarray(0, Math.min(left, POOL));
    },
    async read(name: string) {
      const values = new Float32Array(sizeOf(name));
      let at = 0;
      for await (const piece of source.pieces(name)) {
        values.set(piece, at);
        at += piece.length;
      }
      return values;
    },
  };
  return source;
}

/** The shapes of what modules ask for, by name. */
function shapesOf(build: (root: Scope) => void): ReadonlyMap<string, readonly number[]> {
  const graph = new Graph({ precision: 'f32' });
  build(new Scope(graph));
  const all = [...checkpointWeights(graph)];
  return new Map(
    all.map(([key, { source }]) => [key, source.kind === 'weight' ? source.stored : []]),
  );
}

/** Enough of a stream for modules that only name their weights. */
const NO_STREAM: Stream = {
  part: 'image',
  history: () => {
    throw new Error('nothing runs');
  },
};

type Row = { readonly steps: number; readonly seconds: number; readonly peakBytes: number };

async function measure(
  gpu: Gpu,
  options: {
    size: readonly [number, number];
    weights: string;
    kv: string;
    steps: number;
    tiny: boolean;
  },
): Promise<Row> {
  const config = parseAvatarConfig(options.tiny ? TINY : REAL);
  const vaeConfig = readVaeConfig({ dim: options.tiny ? 8 : 96, z_dim: 16 });
  const integers =
    options.weights === 'int4' ? 'i4' : options.weights === 'int8' ? 'i8' : undefined;
  const engine: Engine = {
    ...{ gpu, pipelines: new PipelineCache(gpu.device), executor: new Executor(gpu) },
    precision: 'f16',
    quantise: integers && avatarPolicy(integers),
  };
  const memory = meterBuffers(gpu.device);
  memory.resetPeak();
  const [W, H] = options.size;
  const space = pixelsPerLatent(vaeConfig);
  const size = [H / space, W / space] as const;
  const frame = size[0] * size[1] * config.inChannels;
  const transformer = shapesOf((root) => {
    for (const part of [wanContext, modulation, noisyTokens, conditionTokens]) part(config)(root);
    for (const part of [audioEncoder, soundKeys, avatarBody, avatarHead]) part(config)(root);
  });
  const stream = await AvatarStream.open(engine, randomSource(transformer), {
    ...{ config, size, distance: 30, remembered: 12, int8Memory: options.kv === 'int8' },
    sampler: avatarSampler(options.steps),
    text: normal(1, 0, PROMPT_TOKENS * config.textDim),
  });
  await stream.settle(normal(2, 0, frame), normal(3, 0, MOTION_LATENTS * frame));
  const autoencoder = shapesOf((root) => {
    vaeEncoder(vaeConfig, NO_STREAM, () => undefined)(root);
    vaeDecoder(vaeConfig, NO_STREAM, () => undefined)(root);
  });
  const vae = new WanVae(engine, randomSource(autoencoder), vaeConfig);
  const decode = vae.decodeStream();
  const shape = [BLOCK_LATENTS, ...size, config.inChannels] as const;
  const show = async (values: Float32Array): Promise<void> => {
    for await (const chunk of decode({ values, shape })) void chunk;
  };
  let shown = Promise.resolve();
  let started = 0;
  for (let block = 0; block < BLOCKS; block++) {
    if (block === FIRST_TIMED) {
      await shown;
      started = performance.now();
    }
    const latents = await stream.block({
      noise: normal(4, block, BLOCK_LATENTS * frame),
      columns: normal(5, block, BLOCK_FRAMES * config.audioDim),
    });
    if (!latents.every(Number.isFinite)) throw new Error(`block ${block} is not finite`);
    await shown;
    shown = show(latents);
  }
  await shown;
  const seconds = (performance.now() - started) / 1000 / (BLOCKS - FIRST_TIMED);
  stream.destroy();
  vae.destroy();
  return { steps: options.steps, seconds, peakBytes: memory.peakBytes };
}

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '384x256' },
    weights: { type: 'string', default: 'int4' },
    kv: { type: 'string', default: 'int8' },
    steps: { type: 'string', default: '3,4,5,6' },
    adapter: { type: 'string', default: 'default' },
    tiny: { type: 'boolean', default: false },
  },
});
const gpu = await openAdapter(values.adapter as AdapterChoice);
const [width = 0, height = 0] = values.size.split('x').map(Number);
console.log(
  `${gpu.info.description || gpu.info.device}: ${values.size}, ${values.weights} weights, ${values.kv} keys`,
);
console.log('| steps | s a block | frames/s | peak GB |\n| --- | --- | --- | --- |');
for (const steps of values.steps.split(',').map(Number)) {
  const { weights, kv, tiny } = values;
  const { seconds, peakBytes } = await measure(gpu, {
    size: [width, height],
    weights,
    kv,
    steps,
    tiny,
  });
  const cells = [
    steps,
    seconds.toFixed(2),
    (BLOCK_FRAMES / seconds).toFixed(1),
    (peakBytes / 1e9).toFixed(1),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
gpu.destroy();
process.exitCode = 0;
