/** Heads of any width: kernels take multiples of four, which the padding of rows gives for nothing but a copy. */
import { pitchOf, rowsOf } from '../../gpu/tensor.ts';
import type { Tensor } from '../graph.ts';
import { rearrange } from './layout.ts';

/** Returns x [..., heads · D] with each head padded with zeros: [rows, heads · D'], D' the next multiple of four. */
function widened(x: Tensor, heads: number): Tensor {
  const D = (x.shape.at(-1) ?? 0) / heads;
  const flat = x.graph.alias(x, [rowsOf(x.shape), heads * D]);
  const apart = rearrange(flat, 'n (h d) -> (n h) d', { h: heads });
  return x.graph.part(apart, 0, [rowsOf(x.shape), heads * pitchOf([D])]);
}

/** Returns what `attend` makes of q, k and v with padded heads, as [..., heads · D] again. */
export function withPaddedHeads(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number },
  attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const D = (q.shape.at(-1) ?? 0) / heads;
  const rows = rowsOf(q.shape);
  const y = attend(widened(q, heads), widened(k, kvHeads), widened(v, kvHeads));
  const apart = y.graph.part(y, 0, [rows * heads, D]);
  const joined = rearrange(apart, '(n h) d -> n (h d)', { h: heads });
  return y.graph.alias(joined, q.shape);
}
