/** Takes fused attention apart: all scores, softmax and sum as operations of their own, for comparison. */
import type { Graph } from '../graph.ts';
import { isNode } from '../graph.ts';
import { attentionOp } from '../ops/attention.ts';
import { plainAttention } from '../ops/plain-attention.ts';
import { substitute } from './substitute.ts';

/** Rewrites `graph.nodes` in place, before other passes; attention with a table of biases stays. Returns how many it took apart. */
export function unfuseAttention(graph: Graph): number {
  let count = 0;
  for (let index = 0; index < graph.nodes.length; index++) {
    const node = graph.nodes[index];
    const y = node?.outputs[0];
    if (!isNode(node, attentionOp) || !y || node.inputs.bias || node.inputs.residual) continue;
    const { q, k, v } = node.inputs;
    const end = graph.nodes.length;
    const plain = graph.within(node.scope, () => plainAttention(q, k, v, node.attrs));
    const made = graph.nodes.splice(end);
    if (!plain) continue;
    graph.nodes.splice(index, 1, ...made);
    substitute(graph, new Map([[y, plain]]));
    index += made.length - 1;
    count++;
  }
  return count;
}
