/** Fusion: folds the RMS norm of queries and keys into the rotation that follows it. */
import type { Graph } from '../graph.ts';
import { isNode, rootOf } from '../graph.ts';
import { ropeOp } from '../ops/attention.ts';
import { normOp } from '../ops/norm.ts';

/** Rewrites `graph.nodes` in place; returns how many norms were folded in. */
export function fuseRope(graph: Graph): number {
  let folded = 0;
  for (let index = 0; index < graph.nodes.length; index++) {
    const node = graph.nodes[index];
    if (!isNode(node, ropeOp) || node.attrs.norm) continue;
    const { x } = node.inputs;
    const at = graph.nodes.findIndex((other) => other.outputs.includes(x));
    const norm = graph.nodes[at];
    if (!isNode(norm, normOp)) continue;
    const { kind, eps, activation } = norm.attrs;
    const plain =
      kind === 'rms' && activation === 'none' && !norm.inputs.bias && !norm.inputs.modulation;
    const kept = [...graph.results.values()].some((result) => rootOf(result) === x);
    const readers = graph.nodes.filter((other) =>
      Object.values(other.inputs).some((tensor) => tensor && rootOf(tensor) === x),
    );
    if (!plain || kept || readers.length !== 1) continue;
    graph.nodes[index] = {
      ...node,
      inputs: { ...node.inputs, x: norm.inputs.x, weight: norm.inputs.weight },
      attrs: { ...node.attrs, norm: { eps } },
    };
    graph.nodes.splice(at, 1);
    index--;
    folded++;
  }
  return folded;
}
