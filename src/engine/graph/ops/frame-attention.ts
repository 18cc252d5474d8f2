/** Attention along the frames: every pixel to itself at all times. */
import { EngineError } from '../../gpu/errors.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import { WIDEST_FRAME_HEAD, frameAttention as kernel } from '../../kernels/frame-attention.ts';
import { frameAttentionHeld as held } from '../../kernels/frame-attention-held.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';
import { withPaddedHeads } from './heads.ts';

type FrameInputs = Inputs & { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor };
type FrameAttrs = { readonly heads: number; readonly scale: number };

export const frameAttentionOp: Op<FrameInputs, FrameAttrs> = {
  name: 'frame-attention',
  lower({ inputs, attrs: { heads, scale }, outputs }: Node<FrameInputs, FrameAttrs>) {
    const [F = 1, ...rest] = inputs.q.shape;
    const D = (rest.pop() ?? 0) / heads;
    const N = rest.reduce((a, b) => a * b, 1);
    const dims = { F, N, heads, D, scale, frameStep: N, placeStep: 1 };
    return [{ kernel, variants: [held], tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/**
 * Returns softmax(scale q kᵀ) v over the frames for each pixel and head: q, k and v [F, ..., heads · D], frames first.
 * `scale` is 1 / √D if left out. Throws `graph/head-width` unless D is a whole number up to 128.
 */
export function frameAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, scale: given }: { readonly heads: number; readonly scale?: number },
): Tensor {
  const { graph } = q;
  const D = (q.shape.at(-1) ?? 0) / heads;
  if (!Number.isInteger(D) || D > WIDEST_FRAME_HEAD) {
    throw new EngineError(
      'graph/head-width',
      `frame attention in ${graph.scope || 'graph'} — got heads ${D} wide, needs a whole number up to ${WIDEST_FRAME_HEAD}`,
      { have: D, need: WIDEST_FRAME_HEAD },
    );
  }
  const alike = k.shape.join() === q.shape.join() && v.shape.join() === q.shape.join();
  checkShape(alike, graph, 'frame attention', k.shape, `[${q.shape.join(', ')}]`);
  const scale = given ?? 1 / Math.sqrt(D);
  if (D % 4 === 0) return graph.add(frameAttentionOp, { q, k, v }, { heads, scale }, q.shape);
  const [F = 1] = q.shape;
  return withPaddedHeads([q, k, v], { heads, kvHeads: heads }, (...qkv) => {
    const [a, b, c] = qkv.map((x) => graph.alias(x, [F, rowsOf(x.shape) / F, x.shape.at(-1) ?? 1]));
    return frameAttention(a ?? q, b ?? k, c ?? v, { heads, scale });
  });
}
