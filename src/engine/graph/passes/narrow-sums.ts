/**
 * Narrow sums: at f16 precision a residual sum is kept in f32 because others are added to it. A sum that only goes into
 * convolutions and matrix products is the last of its stream: it is stored in the compute type, which those products
 * want on matrix units, and which takes half the bytes.
 */
import { rowsOf } from '../../gpu/tensor.ts';
import type { Graph, Node, Tensor } from '../graph.ts';
import { isNode, rootOf } from '../graph.ts';
import { convOp, historyOp } from '../ops/conv.ts';
import { elementwiseOp } from '../ops/elementwise.ts';
import { linearOp } from '../ops/linear.ts';
import { substitute } from './substitute.ts';

/** Few rows are conditions, which stay in f32 at any precision. */
const FEWEST_ROWS = 64;

/** Rewrites `graph.nodes` in place; returns how many sums were narrowed. */
export function narrowSums(graph: Graph): number {
  if (graph.compute === 'f32') return 0;
  const kept = new Set([...graph.results.values()].map(rootOf));
  const uses = usesOf(graph);
  const by = new Map<Tensor, Tensor>();
  graph.nodes.forEach((node, index) => {
    const [sum, ...more] = node.outputs;
    if (!sum || more.length > 0 || sum.dtype !== 'f32' || !isSum(node)) return;
    if (kept.has(sum) || rowsOf(sum.shape) < FEWEST_ROWS) return;
    const readers = uses.get(sum) ?? [];
    if (!readers.some(isProduct) || !readers.every((use) => isProduct(use) || isMemory(use)))
      return;
    const narrow = graph.scratch(sum.label, sum.shape, graph.compute);
    graph.nodes[index] = { ...node, outputs: [narrow] };
    by.set(sum, narrow);
  });
  substitute(graph, by);
  return by.size;
}

type Use = { readonly node: Node; readonly name: string };

function usesOf(graph: Graph): Map<Tensor, Use[]> {
  const uses = new Map<Tensor, Use[]>();
  for (const node of graph.nodes) {
    for (const [name, tensor] of Object.entries(node.inputs)) {
      if (!tensor) continue;
      const root = rootOf(tensor);
      uses.set(root, [...(uses.get(root) ?? []), { node, name }]);
    }
  }
  return uses;
}

const isSum = (node: Node): boolean =>
  node.inputs['residual'] !== undefined ||
  (isNode(node, elementwiseOp) && node.attrs.combine === 'add');

const isProduct = ({ node, name }: Use): boolean =>
  name === 'x' && (isNode(node, convOp) || isNode(node, linearOp));

/** A history that is itself stored in the compute type loses nothing. */
const isMemory = ({ node }: Use): boolean =>
  isNode(node, historyOp) && node.inputs.hist.dtype !== 'f32';
