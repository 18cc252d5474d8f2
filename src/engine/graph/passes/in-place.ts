/**
 * In place: queries and keys are normed and turned where they lie, if nothing reads them as they were. They are two of the
 * three planes that one product made, so their memory is held until the attention anyway: at the fullest moment of a
 * transformer's block this leaves out a quarter of its activations.
 */
import { bytesOf } from '../../gpu/tensor.ts';
import type { Graph, Tensor } from '../graph.ts';
import { isNode, offsetOf, rootOf } from '../graph.ts';
import { ropeOp } from '../ops/attention.ts';
import { substitute } from './substitute.ts';

/** Rewrites `graph.nodes` in place, as the last pass; returns how many nodes write over what they read. */
export function inPlace(graph: Graph): number {
  const by = new Map<Tensor, Tensor>();
  graph.nodes.forEach((node, index) => {
    const [y] = node.outputs;
    if (!isNode(node, ropeOp) || !y || node.attrs.pairing !== 'interleaved') return;
    const { x } = node.inputs;
    const later = graph.nodes.slice(index + 1).flatMap((other) => Object.values(other.inputs));
    const free = [...later, ...graph.results.values()].every((other) => !other || !meets(other, x));
    if (rootOf(x).source.kind !== 'activation' || x.dtype !== y.dtype || !free) return;
    const over = graph.alias(x, y.shape);
    graph.nodes[index] = { ...node, outputs: [over] };
    by.set(y, over);
  });
  substitute(graph, by);
  return by.size;
}

/** Whether two tensors share memory. */
function meets(a: Tensor, b: Tensor): boolean {
  if (rootOf(a) !== rootOf(b)) return false;
  const [atA, atB] = [offsetOf(a), offsetOf(b)];
  return atA < atB + bytesOf(b.shape, b.dtype) && atB < atA + bytesOf(a.shape, a.dtype);
}
