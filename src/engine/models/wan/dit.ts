/** The Wan transformer in all its released kinds: latents, timesteps and context in, flow velocity out. */
import { ropeTable3d } from '../../kernels/rope.ts';
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { attention, rope } from '../../graph/ops/attention.ts';
import { add, addRows, geluTanh, silu } from '../../graph/ops/elementwise.ts';
import { gatedResidual } from '../../graph/ops/gate.ts';
import type { Patch } from '../../graph/ops/layout.ts';
import { concat, patchify, rearrange, reshape, unpatchify } from '../../graph/ops/layout.ts';
import { modulatedNorm } from '../../graph/ops/norm.ts';
import type { Layer } from '../../nn/layers.ts';
import { layerNorm, linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list, parameter } from '../../nn/module.ts';
import type { WanConfig } from './config.ts';
import type { BlockContext, Probe } from './context.ts';

export type TransformerArgs = {
  /** Tensors [F, H, W, Cᵢ] that make up the input channels, in order: the noisy latent, then any condition. */
  readonly latents: readonly Tensor[];
  /** Sinusoids [G, freqDim] of the timesteps, one for each group of tokens; see `timestepSinusoid`. */
  readonly time: Tensor;
  /** Tokens that share one timestep; the last group takes all the rest. */
  readonly rowsPerGroup: number;
  /** Keys and values of text and image for each block; see `wanContext`. */
  readonly context: readonly BlockContext[];
  /** Added to the score of the last text key; see `trimText`. */
  readonly lastKeyBias?: number;
  readonly probe?: Probe | undefined;
};

/** Keys and values of a block's own tokens; `still` are the keys before they are turned to their places. */
export type OwnKeys = { readonly k: Tensor; readonly v: Tensor; readonly still: Tensor };

/** Returns what tokens attend to in place of their own keys and values, for models that remember. */
export type Recall = (own: OwnKeys) => { readonly k: Tensor; readonly v: Tensor };

/** What a block is given beside its tokens. */
export type BlockArgs = {
  /** Modulation of all blocks: [G, layers · 6, width]. */
  readonly parts: Tensor;
  /** Which of the parts is the block's first. */
  readonly first: number;
  readonly rowsPerGroup: number;
  readonly table: Tensor;
  readonly context: BlockContext;
  readonly lastKeyBias: number;
  readonly recall?: Recall;
  readonly probe: Probe | undefined;
};

/** Returns LN(x)·(1 + scale) + shift, with parts `first` (shift) and `first + 1` (scale) of m [groups, parts, width]. */
export const modulate = (
  x: Tensor,
  m: Tensor,
  first: number,
  eps: number,
  rowsPerGroup: number,
): Tensor => modulatedNorm(x, m, { eps, shiftPart: first, scalePart: first + 1, rowsPerGroup });

const attentionFields = ({ width, eps, qkNorm }: WanConfig) => ({
  to_q: linear({ in: width, out: width }),
  norm_q: qkNorm ? rmsNorm({ channels: width, eps }) : absent,
  'to_out.0': linear({ in: width, out: width }),
});

const normed = (norm: Layer | undefined, x: Tensor): Tensor => (norm ? norm(x) : x);

/** One block, applied. */
export type Run = (x: Tensor, args: BlockArgs) => Tensor;

/** Attention of all tokens to all, each at its place in the grid. */
const selfAttention = (config: WanConfig) =>
  block(
    {
      ...attentionFields(config),
      to_k: linear({ in: config.width, out: config.width }),
      norm_k: config.qkNorm ? rmsNorm({ channels: config.width, eps: config.eps }) : absent,
      to_v: linear({ in: config.width, out: config.width }),
    },
    (m, x: Tensor, { table, probe, recall = (own) => own }: BlockArgs) => {
      const { heads } = config;
      const q = rope(normed(m.norm_q, m.to_q(x)), table, { heads });
      const still = normed(m.norm_k, m.to_k(x));
      const { k, v } = recall({ k: rope(still, table, { heads }), v: m.to_v(x), still });
      const o = attention(q, k, v, { heads });
      Object.entries({ q, k, v, o }).forEach(([name, tensor]) => probe?.(`self.${name}`, tensor));
      return m['to_out.0'](o);
    },
  );

/** Attention to the text and, with a softmax of its own, to the image. */
const crossAttention = (config: WanConfig) =>
  block(
    attentionFields(config),
    (
      m,
      x: Tensor,
      { k, v, image }: BlockContext,
      lastKeyBias: number,
      probe: Probe | undefined,
    ) => {
      const { heads } = config;
      const q = normed(m.norm_q, m.to_q(x));
      const o = attention(q, k, v, { heads, lastKeyBias });
      Object.entries({ q, k, v, o }).forEach(([name, tensor]) => probe?.(`cross.${name}`, tensor));
      if (!image) return m['to_out.0'](o);
      const seen = attention(q, image.k, image.v, { heads });
      Object.entries({ q, ...image, o: seen }).forEach(([name, tensor]) =>
        probe?.(`cross_img.${name}`, tensor),
      );
      return m['to_out.0'](addRows(o, seen));
    },
  );

// diffusers: transformer_wan.py, WanTransformerBlock
const transformerBlock = (config: WanConfig) => {
  const { width, ffnDim, eps, crossNorm } = config;
  return block(
    {
      attn1: selfAttention(config),
      norm2: crossNorm ? layerNorm({ channels: width, eps, affine: true }) : absent,
      attn2: crossAttention(config),
      'ffn.net.0.proj': linear({ in: width, out: ffnDim }),
      'ffn.net.2': linear({ in: ffnDim, out: width }),
    },
    (m, x: Tensor, args: BlockArgs) => {
      const { parts, first, context, rowsPerGroup, lastKeyBias, probe } = args;
      const a = modulate(x, parts, first, eps, rowsPerGroup); // [L, width]
      const seen = m.attn1(a, args);
      x = gatedResidual(x, seen, parts, first + 2, rowsPerGroup);
      const b = normed(m.norm2, x);
      const read = m.attn2(b, context, lastKeyBias, probe);
      x = add(x, read);
      const c = modulate(x, parts, first + 3, eps, rowsPerGroup);
      const fed = m['ffn.net.2'](geluTanh(m['ffn.net.0.proj'](c)));
      x = gatedResidual(x, fed, parts, first + 5, rowsPerGroup);
      const kept = {
        attn1_in: a,
        attn1_out: seen,
        attn2_in: b,
        attn2_out: read,
        ffn_in: c,
        ffn_out: fed,
        out: x,
      };
      Object.entries(kept).forEach(([name, tensor]) => probe?.(name, tensor));
      return x;
    },
  );
};

/** The modulation tables of all blocks as one: [layers · 6, width]. */
export const modulationTables =
  ({ layers, width }: WanConfig): Module<Tensor> =>
  (scope) => {
    const table = parameter([6, width], 'f32', [1, 6, width]);
    const tables = list(layers, () => (at) => table(at.child('scale_shift_table')))(scope);
    return scope.graph.stack(tables);
  };

/** All blocks without their modulation tables. */
export const transformerBlocks = (config: WanConfig): Module<readonly Run[]> =>
  list(config.layers, () => transformerBlock(config));

/** Sinusoids -> embedding [G, width] and modulation [G, 6 · width], all in f32. */
export const timeEmbedder = ({ freqDim, width }: WanConfig) => {
  const exact = { dtype: 'f32', weightDtype: 'f32' } as const;
  return block(
    {
      'time_embedder.linear_1': linear({ in: freqDim, out: width, ...exact }),
      'time_embedder.linear_2': linear({ in: width, out: width, ...exact }),
      time_proj: linear({ in: width, out: 6 * width, ...exact }),
    },
    (m, sinusoids: Tensor) => {
      const embedding = m['time_embedder.linear_2'](silu(m['time_embedder.linear_1'](sinusoids)));
      return { embedding, modulation: m.time_proj(silu(embedding)) };
    },
  );
};

// diffusers: transformer_wan.py, WanTransformer3DModel
/** Returns the flow velocity [F, H, W, outChannels], about noise − data. Throws `graph/rope` beyond the position table. */
export const wanTransformer = (config: WanConfig): Module<(args: TransformerArgs) => Tensor> => {
  const { patch, width, inChannels, outChannels, eps } = config;
  const volume = patch.pt * patch.ph * patch.pw;
  return block(
    {
      patch_embedding: patchEmbedding(inChannels, width, patch),
      condition_embedder: timeEmbedder(config),
      blocks: (scope) => ({
        tables: modulationTables(config)(scope),
        runs: transformerBlocks(config)(scope),
      }),
      scale_shift_table: parameter([2, width], 'f32', [1, 2, width]),
      proj_out: linear({ in: width, out: volume * outChannels, dtype: 'f32' }),
    },
    (m, { latents, time, rowsPerGroup, context, lastKeyBias = 0, probe }: TransformerArgs) => {
      const [F = 1, H = 1, W = 1] = latents[0]?.shape ?? [];
      const grid = [F / patch.pt, H / patch.ph, W / patch.pw] as const;
      const patches = concat(
        latents.map((latent) => patchify(latent, patch)),
        1,
      );
      checkShape(
        patches.shape[1] === inChannels * volume,
        time.graph,
        'patches',
        patches.shape,
        `${inChannels} channels`,
      );
      const angles = ropeTable3d(grid, config.headDim, { limit: config.maxPositions });
      const table = time.graph.constant('rope', angles, [
        grid[0] * grid[1] * grid[2],
        config.headDim,
      ]);
      let x = m.patch_embedding(patches); // [L, width]
      const { embedding, modulation } = m.condition_embedder(time);
      const groups = embedding.shape[0] ?? 1;
      Object.entries({ patches: x, embedding, modulation }).forEach(([name, tensor]) =>
        probe?.(name, tensor),
      );
      const { tables, runs } = m.blocks;
      const repeated = rearrange(modulation, 'g c -> (g l) c', { l: config.layers });
      const modulations = addRows(reshape(repeated, [groups * 6 * config.layers, width]), tables);
      const allParts = reshape(modulations, [groups, 6 * config.layers, width]);
      runs.forEach((run, index) => {
        const own = context[index];
        checkShape(
          own !== undefined,
          time.graph,
          'context',
          [context.length],
          `${config.layers} blocks`,
        );
        x = run(x, {
          parts: allParts,
          first: 6 * index,
          table,
          context: own,
          rowsPerGroup,
          lastKeyBias,
          probe: probe && ((name, tensor) => probe(`block${index}.${name}`, tensor)),
        });
      });
      const doubled = rearrange(embedding, 'g c -> (g s) c', { s: 2 });
      const parts = reshape(addRows(doubled, m.scale_shift_table), [groups, 2, width]);
      const y = modulate(x, parts, 0, eps, rowsPerGroup);
      const velocity = m.proj_out(y); // [L, volume · outChannels]
      Object.entries({ head_in: y, head_out: velocity }).forEach(([name, tensor]) =>
        probe?.(name, tensor),
      );
      return unpatchify(velocity, grid, patch);
    },
  );
};

/** A convolution whose stride is its kernel, at the start of the residual stream: a linear layer on patches. */
export const patchEmbedding =
  (channels: number, width: number, { pt, ph, pw }: Patch): Module<Layer> =>
  (scope) =>
    linear({
      in: channels * pt * ph * pw,
      out: width,
      stored: [width, channels, pt, ph, pw],
      dtype: scope.graph.residual,
    })(scope);
