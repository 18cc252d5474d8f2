/** Attention along the frames: every pixel to itself at all times. */
import { EngineError } from '../../gpu/errors.ts';
import { WIDEST_FRAME_HEAD, frameAttention as kernel } from '../../kernels/frame-attention.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

type FrameInputs = Inputs & { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor };
type FrameAttrs = { readonly heads: number };

export const frameAttentionOp: Op<FrameInputs, FrameAttrs> = {
  name: 'frame-attention',
  lower({ inputs, attrs: { heads }, outputs }: Node<FrameInputs, FrameAttrs>) {
    const [F = 1, ...rest] = inputs.q.shape;
    const D = (rest.pop() ?? 0) / heads;
    const N = rest.reduce((a, b) => a * b, 1);
    const dims = { F, N, heads, D, scale: 1 / Math.sqrt(D) };
    return [{ kernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/**
 * Returns softmax(q kᵀ / √D) v over the frames for each pixel and head: q, k and v [F, ..., heads · D], frames first.
 * Throws `graph/head-width` unless D is a multiple of 4 up to 128.
 */
export function frameAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads }: { readonly heads: number },
): Tensor {
  const { graph } = q;
  const D = (q.shape.at(-1) ?? 0) / heads;
  if (!Number.isInteger(D) || D % 4 !== 0 || D < 4 || D > WIDEST_FRAME_HEAD) {
    throw new EngineError(
      'graph/head-width',
      `frame attention in ${graph.scope || 'graph'} — got heads ${D} wide, needs a multiple of 4 up to ${WIDEST_FRAME_HEAD}`,
      { have: D, need: WIDEST_FRAME_HEAD },
    );
  }
  const alike = k.shape.join() === q.shape.join() && v.shape.join() === q.shape.join();
  checkShape(alike, graph, 'frame attention', k.shape, `[${q.shape.join(', ')}]`);
  return graph.add(frameAttentionOp, { q, k, v }, { heads }, q.shape);
}
