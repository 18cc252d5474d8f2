/** Products on integers: layers with quantised weights and many rows get their activations quantised too. */
import { isIntegerType } from '../../gpu/integers.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import type { Graph } from '../graph.ts';
import { isNode } from '../graph.ts';
import { integerLinearOp } from '../ops/integer-linear.ts';
import { linearOp } from '../ops/linear.ts';

/** Rows below which reading the weights is all the work, and quantising x saves nothing. */
const FEWEST_ROWS = 32;

/** Rewrites `graph.nodes` in place; returns how many layers multiply integers from now on. */
export function integerProducts(graph: Graph): number {
  let changed = 0;
  graph.nodes.forEach((node, index) => {
    if (!isNode(node, linearOp)) return;
    const { x, weight, bias, gate, factor, residual } = node.inputs;
    const M = rowsOf(x.shape);
    // Integers and scales of x and w, y, and three more are what every device can bind.
    const bindable = [bias, gate, factor, residual].filter(Boolean).length <= 3;
    if (!isIntegerType(weight.dtype) || M < FEWEST_ROWS || !bindable) return;
    const q = graph.scratch(`${node.scope}/integers`, [M, x.shape.at(-1) ?? 1], 'i8');
    const scale = graph.scratch(`${node.scope}/scales`, [M, 1], 'f16');
    graph.nodes[index] = { ...node, op: integerLinearOp, outputs: [...node.outputs, q, scale] };
    changed++;
  });
  return changed;
}
