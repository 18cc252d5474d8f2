/** Latents as tokens: the noisy frames, the reference picture and the packed past, each with a mark of its kind. */
import type { Tensor } from '../../graph/graph.ts';
import { checkShape } from '../../graph/graph.ts';
import { add, addRows } from '../../graph/ops/elementwise.ts';
import type { Patch } from '../../graph/ops/layout.ts';
import { concat, patchify, slice } from '../../graph/ops/layout.ts';
import type { Module } from '../../nn/module.ts';
import { block, parameter } from '../../nn/module.ts';
import { patchEmbedding } from '../wan/dit.ts';
import type { AvatarConfig } from './config.ts';

/** Latent frames of the past that are looked at, and how: the newest in full, older ones in larger patches. */
export const MOTION_LATENTS = 19;
const PACKED = [
  { name: 'proj', first: 18, count: 1, patch: { pt: 1, ph: 2, pw: 2 } },
  { name: 'proj_2x', first: 16, count: 2, patch: { pt: 2, ph: 4, pw: 4 } },
  { name: 'proj_4x', first: 0, count: 16, patch: { pt: 4, ph: 8, pw: 8 } },
] as const;

/** The kinds of tokens, by row of their learned marks. */
const KIND = { noisy: 0, reference: 1, motion: 2 } as const;

const kinds = ({ width }: AvatarConfig): Module<Tensor> =>
  parameter([Object.keys(KIND).length, width]);

const marked = (x: Tensor, marks: Tensor, kind: keyof typeof KIND): Tensor =>
  addRows(x, slice(marks, 0, KIND[kind], 1));

/**
 * Latents [F, H, W, C] -> tokens [F · h · w, width]. The pose latent [F, H, W, poseChannels] is all zeros where there is
 * none, which leaves its bias alone.
 */
export const noisyTokens = (config: AvatarConfig): Module<(x: Tensor, pose?: Tensor) => Tensor> =>
  block(
    {
      patch_embedding: patchEmbedding(config.inChannels, config.width, config.patch),
      cond_encoder: (scope) => {
        const encode = patchEmbedding(config.poseChannels, config.width, config.patch)(scope);
        return { encode, bias: scope.weight('bias', [config.width]) };
      },
      'trainable_cond_mask.weight': kinds(config),
    },
    (m, x: Tensor, pose?: Tensor) => {
      const { encode, bias } = m.cond_encoder;
      const own = m.patch_embedding(patchify(x, config.patch));
      const posed = pose ? add(own, encode(patchify(pose, config.patch))) : addRows(own, bias);
      return marked(posed, m['trainable_cond_mask.weight'], 'noisy');
    },
  );

/**
 * The reference latent [1, H, W, C] and the last 19 latents of the past [19, H, W, C] -> tokens, in the order of
 * `conditionPositions`. Rows and columns that fill no large patch are left out.
 */
export const conditionTokens = (
  config: AvatarConfig,
): Module<(reference: Tensor, motion?: Tensor) => Tensor> => {
  const { inChannels, width, patch } = config;
  return block(
    {
      patch_embedding: patchEmbedding(config.inChannels, config.width, config.patch),
      'trainable_cond_mask.weight': kinds(config),
      frame_packer: (scope) =>
        PACKED.map((part) => ({
          ...part,
          pack: patchEmbedding(inChannels, width, part.patch)(scope.child(part.name)),
        })),
    },
    (m, reference: Tensor, motion?: Tensor) => {
      const marks = m['trainable_cond_mask.weight'];
      const still = marked(m.patch_embedding(patchify(reference, patch)), marks, 'reference');
      if (!motion) return still;
      const fits = motion.shape[0] === MOTION_LATENTS;
      checkShape(fits, motion.graph, 'motion', motion.shape, `${MOTION_LATENTS} latent frames`);
      const past = m.frame_packer.map(({ first, count, patch: each, pack }) => {
        const frames = wholePatches(slice(motion, 0, first, count), each);
        return marked(pack(patchify(frames, each)), marks, 'motion');
      });
      return concat([still, ...past], 0);
    },
  );
};

/** Rows and columns up to the last that fill a patch. */
function wholePatches(x: Tensor, { ph, pw }: Patch): Tensor {
  const [, H = 1, W = 1] = x.shape;
  const rows = H - (H % ph);
  const columns = W - (W % pw);
  const cut = rows === H ? x : slice(x, 1, 0, rows);
  return columns === W ? cut : slice(cut, 2, 0, columns);
}
