/** How a DynamiCrafter context divides into text and image tokens. */
import type { Tensor } from '../../graph/graph.ts';
import { slice } from '../../graph/ops/layout.ts';
import type { ContextArgs } from '../unet3d/context.ts';
import { TEXT_TOKENS, TOKENS_PER_FRAME } from './config.ts';

/** Whether so many tokens give each of `frames` its own image tokens; otherwise all frames see all of them. */
export const ownTokens = (tokens: number, frames: number): boolean =>
  tokens === TEXT_TOKENS + TOKENS_PER_FRAME * frames;

/** Returns tokens [n, contextDim] as text and image tokens of a clip of `frames`. */
export function splitContext(tokens: Tensor, frames: number): ContextArgs {
  const [n = 0] = tokens.shape;
  const image = n - TEXT_TOKENS;
  if (image <= 0) return { text: tokens };
  return {
    text: slice(tokens, 0, 0, TEXT_TOKENS),
    image: { tokens: slice(tokens, 0, TEXT_TOKENS, image), perFrame: ownTokens(n, frames) },
  };
}
