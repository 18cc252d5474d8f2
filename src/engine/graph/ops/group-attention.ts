/** Attention of each group of rows to a few keys of its own. */
import { EngineError } from '../../gpu/errors.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import { MOST_GROUP_KEYS, groupAttention as kernel } from '../../kernels/group-attention.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

type GroupInputs = Inputs & { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor };
type GroupAttrs = { readonly heads: number; readonly groups: number };

export const groupAttentionOp: Op<GroupInputs, GroupAttrs> = {
  name: 'group-attention',
  lower({ inputs, attrs: { heads, groups }, outputs }: Node<GroupInputs, GroupAttrs>) {
    const rows = rowsOf(inputs.q.shape);
    const D = (inputs.q.shape.at(-1) ?? 0) / heads;
    const keys = rowsOf(inputs.k.shape) / groups;
    const dims = { rows, rowsPerGroup: rows / groups, keys, heads, D, scale: 1 / Math.sqrt(D) };
    return [{ kernel, tensors: { ...inputs, y: outputs[0] }, dims }];
  },
};

/**
 * Returns softmax(q kᵀ / √D) v for each head and group: q [groups · n, heads · D], k and v [groups · keys, heads · D],
 * where the n rows of a group see its own keys alone. Throws `graph/keys` for more than 8 keys a group.
 */
export function groupAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, groups }: { heads: number; groups: number },
): Tensor {
  const width = q.shape.at(-1) ?? 0;
  const keys = rowsOf(k.shape) / groups;
  const whole = rowsOf(q.shape) % groups === 0 && width % (4 * heads) === 0;
  const fits = k.shape.at(-1) === width && k.shape.join() === v.shape.join();
  checkShape(whole, q.graph, 'group attention', q.shape, `${groups} equal groups, ${heads} heads`);
  checkShape(fits && Number.isInteger(keys), q.graph, 'group keys', k.shape, `${groups} times n`);
  if (keys > MOST_GROUP_KEYS) {
    throw new EngineError(
      'graph/keys',
      `group attention in ${q.graph.scope || 'graph'} — got ${keys} keys a group, needs ${MOST_GROUP_KEYS} at most`,
      { have: keys, need: MOST_GROUP_KEYS },
    );
  }
  return q.graph.add(groupAttentionOp, { q, k, v }, { heads, groups }, q.shape);
}
