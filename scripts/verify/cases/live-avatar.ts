/** The streaming avatar: conditions stored once, then block after block, each step with a memory of its own. */
import { readTensor } from '../../../src/engine/gpu/tensor.ts';
import { gridPositions, ropeTableAt } from '../../../src/engine/kernels/rope.ts';
import { parseAvatarConfig } from '../../../src/engine/models/live-avatar/config.ts';
import type { AvatarConfig } from '../../../src/engine/models/live-avatar/config.ts';
import {
  REFERENCE_FRAME,
  conditionPositions,
  rollingReference,
} from '../../../src/engine/models/live-avatar/positions.ts';
import { avatarSampler } from '../../../src/engine/models/live-avatar/schedule.ts';
import type { BlockInput } from '../../../src/engine/models/live-avatar/stream.ts';
import {
  AvatarStream,
  BLOCK_FRAMES,
  BLOCK_LATENTS,
} from '../../../src/engine/models/live-avatar/stream.ts';
import type { Config } from '../../../src/engine/models/config-json.ts';
import { numberIn } from '../../../src/engine/models/config-json.ts';
import { renameWan } from '../../../src/engine/models/wan/names-dit.ts';
import { channelsFirst } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';
import { lastLatents, mixedColumns, readLatents } from './avatar-inputs.ts';
import { intermediates } from './s2v.ts';

export const liveAvatar: Checker = {
  matches: (config, io) => 'frames_per_block' in config && io.includes('in.noise'),
  async run(context) {
    const { io } = context;
    const config = parseAvatarConfig(context.config['model'] as Config);
    const store = await context.open('model', renameWan);
    const noise = await readLatents(io, 'in.noise');
    const pose = await readLatents(io, 'in.cond_states');
    const [F = 0, H = 0, W = 0] = noise.shape;
    const columns = await mixedColumns(context, store, config);
    const stream = await AvatarStream.open(context, store, {
      ...{ config, size: [H, W], posed: true, probed: context.blocks },
      sampler: avatarSampler(numberIn(context.config, 'steps')),
      remembered: numberIn(context.config, 'window_frames'),
      distance: numberIn(context.config, 'relative_dist'),
      text: (await io.read('in.context')).values,
    });
    try {
      const reference = await readLatents(io, 'in.ref_latents');
      const motion = lastLatents(await readLatents(io, 'in.motion_latents'));
      await stream.settle(reference.values, motion.values);
      const outputs = await conditions(context, stream, config, [H, W]);
      const latents: Float32Array[] = [];
      for (let b = 0; b < F / BLOCK_LATENTS; b++) {
        const input = {
          noise: part(noise, b, BLOCK_LATENTS),
          pose: part(pose, b, BLOCK_LATENTS),
          columns: columns.subarray(
            b * BLOCK_FRAMES * config.audioDim,
            (b + 1) * BLOCK_FRAMES * config.audioDim,
          ),
        };
        latents.push(await runBlock(context, stream, config, input, [H, W], outputs));
      }
      store.checkAllUsed();
      const all = joined(latents);
      const C = config.outChannels;
      return [
        ...outputs,
        { name: 'out.latents', values: channelsFirst(all, C), measure: 'network' },
      ];
    } finally {
      stream.destroy();
    }
  },
};

/** Frames [b · count, (b + 1) · count) of latents. */
function part({ values, shape }: Values, b: number, count: number): Float32Array {
  const span = (values.length / (shape[0] ?? 1)) * count;
  return values.subarray(b * span, (b + 1) * span);
}

/** Runs a block and adds what the case stores of it to `outputs`. */
async function runBlock(
  context: CaseContext,
  stream: AvatarStream,
  config: AvatarConfig,
  input: BlockInput,
  size: readonly [number, number],
  outputs: Output[],
): Promise<Float32Array> {
  const { device } = context.gpu;
  const b = stream.blocks;
  const [H, W] = size;
  const [h, w] = [H / config.patch.ph, W / config.patch.pw];
  const latents = await stream.block(input, {
    onStep: async (recording, sample, step) => {
      const velocity = channelsFirst(
        await readTensor(device, recording.result('velocity')),
        config.outChannels,
      );
      // The reference once more with its own rounding to bf16, which is no part of the formulas.
      const rounded = `out.b${b}.s${step}.velocity_reference_casts`;
      if (context.io.has(rounded))
        outputs.push({ name: rounded, values: velocity, measure: 'rounded' });
      if (!context.blocks) return;
      const kept: Record<string, Float32Array> = {
        velocity,
        x_next: channelsFirst(await readTensor(device, sample), config.outChannels),
        rope_freqs_re_im: ropeTableAt(
          gridPositions([BLOCK_LATENTS, h, w], b * BLOCK_LATENTS),
          config.headDim,
        ),
        sink_rope_freqs_re_im: ropeTableAt(
          conditionPositions(
            { h, w },
            rollingReference(b * BLOCK_LATENTS, numberIn(context.config, 'relative_dist')),
          ),
          config.headDim,
        ),
      };
      const names = Array.from({ length: config.layers }, (_, i) => `block${i}.out`).concat(
        config.audioLayers.map((_, j) => `inject${j}.out`),
      );
      for (const name of names) kept[name] = await readTensor(device, recording.result(name));
      for (const name of ['audio.0', 'audio.1'])
        kept[name] = await readTensor(device, stream.sound.result(name));
      outputs.push(...(await intermediates(context, kept, '', `mid.b${b}.s${step}.`)));
    },
  });
  if (context.blocks) outputs.push(...(await rings(context, stream, b)));
  return latents;
}

/** The rings after a block, and what the conditions left. */
async function rings(context: CaseContext, stream: AvatarStream, b: number): Promise<Output[]> {
  const { sizes, layers } = stream.memory;
  const span = sizes.slots * sizes.blockRows * sizes.width;
  const outputs: Output[] = [];
  for (const [layer, { ringK, ringV }] of layers.entries()) {
    for (const [tensor, name] of [
      [ringK, 'k'],
      [ringV, 'v'],
    ] as const) {
      const all = await readTensor(context.gpu.device, tensor.values);
      for (let step = 0; step < sizes.steps; step++) {
        const values = all.subarray(step * span, (step + 1) * span);
        const stored = `mid.b${b}.cache${step}.layer${layer}.${name}`;
        if (context.io.has(stored)) outputs.push({ name: stored, values, measure: 'network' });
      }
    }
  }
  return outputs;
}

async function conditions(
  context: CaseContext,
  stream: AvatarStream,
  config: AvatarConfig,
  [H, W]: readonly [number, number],
): Promise<Output[]> {
  if (!context.blocks) return [];
  const { device } = context.gpu;
  const grid = { h: H / config.patch.ph, w: W / config.patch.pw };
  const kept: Record<string, Float32Array> = {
    sink_freqs_re_im: ropeTableAt(conditionPositions(grid, REFERENCE_FRAME), config.headDim),
  };
  for (const [layer, { stayK, stayV }] of stream.memory.layers.entries()) {
    kept[`sink.layer${layer}.cond_k_unroped`] = await readTensor(device, stayK);
    kept[`sink.layer${layer}.cond_v`] = await readTensor(device, stayV);
  }
  const { sigmas, timesteps } = avatarSampler(numberIn(context.config, 'steps'));
  kept['sigmas'] = Float32Array.from(sigmas);
  kept['timesteps'] = Float32Array.from(timesteps);
  return intermediates(context, kept, '');
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, each) => n + each.length, 0));
  parts.reduce((at, each) => (whole.set(each, at), at + each.length), 0);
  return whole;
}
