/**
 * The sound-driven Wan transformer: blocks that listen, modulation and head, and the whole as one bidirectional network,
 * the base that the streaming model was distilled from.
 */
import type { Tensor } from '../../graph/graph.ts';
import { addRows } from '../../graph/ops/elementwise.ts';
import { concat, rearrange, reshape, slice, unpatchify } from '../../graph/ops/layout.ts';
import { gridPositions, ropeTableAt } from '../../kernels/rope.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, parameter } from '../../nn/module.ts';
import type { BlockContext, Probe } from '../wan/context.ts';
import type { Recall } from '../wan/dit.ts';
import { modulate, modulationTables, timeEmbedder, transformerBlocks } from '../wan/dit.ts';
import type { SoundKeys } from './audio-injector.ts';
import { injectors } from './audio-injector.ts';
import type { AvatarConfig } from './config.ts';
import { REFERENCE_FRAME, conditionPositions } from './positions.ts';
import { conditionTokens, noisyTokens } from './tokens.ts';

/** Modulation of G timesteps: of all blocks [G, 6 · layers, width] and of the head [G, 2, width]. */
export type Modulation = { readonly blocks: Tensor; readonly head: Tensor };

/** Sinusoids [G, freqDim] of timesteps -> their modulation. */
export const modulation = (config: AvatarConfig): Module<(time: Tensor) => Modulation> => {
  const { width, layers } = config;
  return block(
    {
      condition_embedder: timeEmbedder(config),
      blocks: modulationTables(config),
      scale_shift_table: parameter([2, width], 'f32', [1, 2, width]),
    },
    (m, time: Tensor) => {
      const { embedding, modulation: shared } = m.condition_embedder(time);
      const [G = 1] = time.shape;
      const each = reshape(rearrange(shared, 'g c -> (g l) c', { l: layers }), [
        G * 6 * layers,
        width,
      ]);
      const doubled = rearrange(embedding, 'g c -> (g s) c', { s: 2 });
      return {
        blocks: reshape(addRows(each, m.blocks), [G, 6 * layers, width]),
        head: reshape(addRows(doubled, m.scale_shift_table), [G, 2, width]),
      };
    },
  );
};

export type BodyArgs = {
  /** Modulation of the groups of tokens. */
  readonly parts: Tensor;
  /** Tokens that share a group; the last group takes all the rest. */
  readonly rowsPerGroup: number;
  /** Angles of all tokens [L, headDim]. */
  readonly table: Tensor;
  readonly context: readonly BlockContext[];
  readonly lastKeyBias: number;
  /** The sound, for the first tokens: as many latent frames as its parts have; without it, nothing is heard. */
  readonly sound?: { readonly keys: readonly SoundKeys[]; readonly rows: number };
  /** What tokens of a layer attend to beside themselves. */
  readonly recall?: (layer: number) => Recall;
  readonly probe?: Probe | undefined;
};

/** All blocks and injectors: tokens [L, width] -> tokens. */
export const avatarBody =
  (config: AvatarConfig): Module<(x: Tensor, args: BodyArgs) => Tensor> =>
  (scope) => {
    const blocks = transformerBlocks(config)(scope.child('blocks'));
    const listen = injectors(config)(scope);
    return (tokens, args) => {
      const { parts, rowsPerGroup, table, context, lastKeyBias, sound, recall, probe } = args;
      return blocks.reduce((x, run, index) => {
        const own = context[index];
        if (!own) throw new RangeError(`no context for block ${index}`);
        const y = run(x, {
          ...{ parts, first: 6 * index, rowsPerGroup, table, context: own, lastKeyBias },
          ...(recall && { recall: recall(index) }),
          probe: probe && ((name, kept) => probe(`block${index}.${name}`, kept)),
        });
        const j = config.audioLayers.indexOf(index);
        const [inject, keys] = [listen[j], sound?.keys[j]];
        if (!inject || !sound || !keys) return y;
        const watch = probe && ((name: string, kept: Tensor) => probe(`inject${j}.${name}`, kept));
        const rest = (y.shape[0] ?? 0) - sound.rows;
        if (rest === 0) return inject(y, keys, watch);
        const heard = inject(slice(y, 0, 0, sound.rows), keys, watch);
        return concat([heard, slice(y, 0, sound.rows, rest)], 0);
      }, tokens);
    };
  };

/** Tokens of the grid [F, h, w] -> velocity [F, H, W, outChannels]. */
export const avatarHead = (
  config: AvatarConfig,
): Module<(x: Tensor, head: Tensor, grid: readonly [number, number, number]) => Tensor> => {
  const { width, outChannels, patch, eps } = config;
  const volume = patch.pt * patch.ph * patch.pw;
  return block(
    { proj_out: linear({ in: width, out: volume * outChannels, dtype: 'f32' }) },
    (m, x: Tensor, head: Tensor, grid: readonly [number, number, number]) =>
      unpatchify(m.proj_out(modulate(x, head, 0, eps, x.shape[0] ?? 1)), grid, patch),
  );
};

export type S2vArgs = {
  /** Noisy latents [F, H, W, C] and the pose latents, if any. */
  readonly x: Tensor;
  readonly pose?: Tensor;
  readonly reference: Tensor;
  /** The last 19 latents of the past; left out for the first clip. */
  readonly motion?: Tensor;
  /** Modulation of two timesteps: the noisy frames' and 0. */
  readonly modulation: Modulation;
  readonly context: readonly BlockContext[];
  readonly lastKeyBias: number;
  readonly sound: readonly SoundKeys[];
  readonly probe?: Probe | undefined;
};

/** One clip, every token attending to all: returns the velocity [F, H, W, outChannels]. Wan 2.2: modules/s2v/model_s2v.py. */
export const s2vTransformer =
  (config: AvatarConfig): Module<(args: S2vArgs) => Tensor> =>
  (scope) => {
    const [noisy, conditions] = [noisyTokens(config)(scope), conditionTokens(config)(scope)];
    const [body, head] = [avatarBody(config)(scope), avatarHead(config)(scope)];
    return ({
      x,
      pose,
      reference,
      motion,
      modulation: steps,
      context,
      lastKeyBias,
      sound,
      probe,
    }) => {
      const [F = 1, H = 1, W = 1] = x.shape;
      const { patch, headDim } = config;
      const grid = [F, H / patch.ph, W / patch.pw] as const;
      const [, h, w] = grid;
      const rows = F * h * w;
      const tokens = concat([noisy(x, pose), conditions(reference, motion)], 0);
      probe?.('tokens_in', tokens);
      const places = [
        ...gridPositions(grid),
        ...conditionPositions({ h, w }, REFERENCE_FRAME, motion !== undefined),
      ];
      const table = scope.graph.constant('rope', ropeTableAt(places, headDim), [
        places.length,
        headDim,
      ]);
      const all = body(tokens, {
        ...{ parts: steps.blocks, rowsPerGroup: rows, table, context, lastKeyBias, probe },
        sound: { keys: sound, rows },
      });
      const seen = slice(all, 0, 0, rows);
      probe?.('head_in', seen);
      return head(seen, steps.head, grid);
    };
  };
