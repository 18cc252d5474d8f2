/**
 * The 3-D UNet of I2VGen-XL and DynamiCrafter on one clip [F, H, W, C], under the tensor names of diffusers'
 * I2VGenXLUNet. What it is conditioned on (embedding, keys) is made elsewhere.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { silu } from '../../graph/ops/elementwise.ts';
import { concat } from '../../graph/ops/layout.ts';
import { conv2d, groupNorm } from '../../nn/convolutions.ts';
import type { Module, Scope } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import { downsampler, resnet, temporalConv, upsampler } from './blocks.ts';
import type { Unet3dConfig } from './config.ts';
import { embeddingWidth } from './config.ts';
import type { CrossKeys, UnetContext } from './context.ts';
import type { Probe } from './transformers.ts';
import { spatialTransformer, temporalTransformer } from './transformers.ts';

export type UnetArgs = {
  /** Noisy latent and condition, channels side by side: [F, H, W, inChannels]. */
  readonly x: Tensor;
  /** Sum of the embeddings of time and rate [1, 4 · widths[0]], not yet activated. */
  readonly embedding: Tensor;
  readonly context: UnetContext;
  readonly probe?: Probe | undefined;
};

/** What the layers of a block share in one call. */
type Call = {
  readonly time: Tensor;
  readonly context: UnetContext;
  readonly probe: Probe | undefined;
};

/** Resnet and what stands behind it: convolution along frames, transformers. */
type Step = (x: Tensor, call: Call, place: string, index: number) => Tensor;

const under = (probe: Probe | undefined, name: string): Probe | undefined =>
  probe && ((inner, tensor) => probe(`${name}.${inner}`, tensor));

function keysAt(context: UnetContext, name: string): CrossKeys {
  const keys = context.get(name);
  if (keys) return keys;
  throw new EngineError('engine/assert', `context — got none for ${name}, needs every transformer`);
}

type StepsOptions = {
  readonly out: number;
  readonly count: number;
  /** How many of them, from the first on, have transformers. */
  readonly attending: number;
  /** Channels that each resnet takes. */
  readonly widthAt: (index: number) => number;
};

/** The lists of a block's layers, run one index at a time. */
const steps = (config: Unet3dConfig, options: StepsOptions): Module<Step> => {
  const { groups, headWidth } = config;
  const { out, count, attending, widthAt } = options;
  const embedding = embeddingWidth(config);
  const inner = { heads: out / headWidth, headWidth };
  return block(
    {
      resnets: list(count, (i) => resnet(groups, { in: widthAt(i), out, embedding })),
      temp_convs: list(count, () => temporalConv(groups, out)),
      attentions: list(attending, () => spatialTransformer(groups, out, headWidth)),
      temp_attentions: list(attending, () => temporalTransformer(groups, out, inner)),
    },
    (m, x: Tensor, { time, context, probe }: Call, place: string, i: number) => {
      const keep = (part: string, tensor: Tensor): Tensor => {
        probe?.(`${place}.${part}.${i}`, tensor);
        return tensor;
      };
      x = keep('resnets', m.resnets[i]?.(x, time) ?? x);
      x = keep('temp_convs', m.temp_convs[i]?.(x) ?? x);
      const [spatial, temporal] = [m.attentions[i], m.temp_attentions[i]];
      if (!spatial || !temporal) return x;
      const at = `${place}.attentions.${i}`;
      x = keep('attentions', spatial(x, keysAt(context, at), under(probe, at)));
      const along = under(probe, `${place}.temp_attentions.${i}`);
      return keep('temp_attentions', temporal(x, along));
    },
  );
};

/** Layers of level `i` on the way down, and the step to the next level. */
const downBlock =
  (config: Unet3dConfig, i: number) =>
  (scope: Scope): { run: Step; down: ReturnType<ReturnType<typeof downsampler>> | undefined } => {
    const { widths, layers, attention } = config;
    const out = widths[i] ?? 1;
    const before = widths[i - 1] ?? out;
    const attending = attention[i] ? layers : 0;
    const widthAt = (j: number): number => (j === 0 ? before : out);
    const last = i === widths.length - 1;
    return {
      run: steps(config, { out, count: layers, attending, widthAt })(scope),
      down: last ? undefined : downsampler(out)(scope.child('downsamplers.0')),
    };
  };

/** Channels of every skip, in the order in which they are made. */
function skipWidths({ widths, layers }: Unet3dConfig): number[] {
  const [first = 1] = widths;
  const levels = widths.flatMap((width, i) => {
    const count = layers + (i < widths.length - 1 ? 1 : 0);
    return Array.from({ length: count }, () => width);
  });
  return [first, ...levels];
}

/** Layers of block `i` on the way up, each of which takes a skip, and the step to the next level. */
const upBlock =
  (config: Unet3dConfig, i: number) =>
  (scope: Scope): { run: Step; up: ReturnType<ReturnType<typeof upsampler>> | undefined } => {
    const { widths, layers, attention } = config;
    const level = widths.length - 1 - i;
    const out = widths[level] ?? 1;
    const before = widths[level + 1] ?? out;
    const count = layers + 1;
    const skips = skipWidths(config).toReversed();
    const widthAt = (j: number): number => (j === 0 ? before : out) + (skips[i * count + j] ?? 0);
    return {
      run: steps(config, { out, count, attending: attention[level] ? count : 0, widthAt })(scope),
      up: level > 0 ? upsampler(out)(scope.child('upsamplers.0')) : undefined,
    };
  };

/** One call of the network: [F, H, W, outChannels]. Throws `engine/assert` for a context that lacks a transformer. */
export const unet3d = (config: Unet3dConfig): Module<(args: UnetArgs) => Tensor> => {
  const { widths, layers, groups, headWidth, inChannels, outChannels } = config;
  const [first = 1, last = 1] = [widths[0], widths.at(-1)];
  return block(
    {
      conv_in: conv2d({ in: inChannels, out: first, kernel: 3 }),
      transformer_in: temporalTransformer(groups, first, { heads: 8, headWidth }),
      down_blocks: list(widths.length, (i) => downBlock(config, i)),
      mid_block: steps(config, { out: last, count: 2, attending: 1, widthAt: () => last }),
      up_blocks: list(widths.length, (i) => upBlock(config, i)),
      conv_norm_out: groupNorm({ channels: first, groups, eps: 1e-5 }),
      conv_out: conv2d({ in: first, out: outChannels, kernel: 3, dtype: 'f32' }),
    },
    (m, { x, embedding, context, probe }: UnetArgs) => {
      const call: Call = { time: silu(embedding), context, probe };
      const keep = (name: string, tensor: Tensor): Tensor => {
        probe?.(name, tensor);
        return tensor;
      };
      let h = keep('conv_in', m.conv_in(x));
      h = keep('transformer_in', m.transformer_in(h));
      const skips = [h];
      m.down_blocks.forEach(({ run, down }, i) => {
        const place = `down_blocks.${i}`;
        for (let j = 0; j < layers; j++) {
          h = keep(`${place}.res.${j}`, run(h, call, place, j));
          skips.push(h);
        }
        if (down) {
          h = keep(`${place}.res.${layers}`, down(h));
          skips.push(h);
        }
        keep(place, h);
      });
      h = m.mid_block(h, call, 'mid_block', 0);
      h = keep('mid_block', m.mid_block(h, call, 'mid_block', 1));
      m.up_blocks.forEach(({ run, up }, i) => {
        const place = `up_blocks.${i}`;
        for (let j = 0; j <= layers; j++) {
          const skip = skips.pop();
          if (skip) h = run(concat([h, skip], 3), call, place, j);
        }
        const next = skips.at(-1);
        if (up && next) h = up(h, next.shape[1] ?? 1, next.shape[2] ?? 1);
        keep(place, h);
      });
      return m.conv_out(silu(keep('conv_norm_out', m.conv_norm_out(h))));
    },
  );
};
