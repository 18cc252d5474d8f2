/** Replaces tensors in a graph: what passes do to the readers of a tensor that now comes from elsewhere. */
import type { Graph, Inputs, Node, Tensor } from '../graph.ts';
import { rootOf } from '../graph.ts';

/** Lets every reader of a key of `by`, and of aliases of it, read its value instead. */
export function substitute(graph: Graph, by: ReadonlyMap<Tensor, Tensor>): void {
  if (by.size === 0) return;
  const replaced = replacement(by);
  graph.nodes.forEach((node, index) => {
    graph.nodes[index] = withInputs(node, replaced);
  });
  for (const [name, tensor] of graph.results) graph.results.set(name, replaced(tensor));
}

/**
 * Returns what gives the value of `by` for its keys, and the same part of it for aliases of them. Keys may still come,
 * as long as nobody has asked for them or their aliases.
 */
export function replacement(by: ReadonlyMap<Tensor, Tensor>): (tensor: Tensor) => Tensor {
  const known = new Map<Tensor, Tensor>();
  const replaced = (tensor: Tensor): Tensor => {
    const found = by.get(tensor) ?? known.get(tensor);
    if (found) return found;
    const { source } = tensor;
    const of = source.kind === 'alias' ? replaced(source.of) : undefined;
    const same = source.kind !== 'alias' || of === source.of || of === undefined;
    const result = same ? tensor : { ...tensor, dtype: of.dtype, source: { ...source, of } };
    known.set(tensor, result);
    return result;
  };
  return replaced;
}

/** Returns the node as it reads other tensors in place of its own. */
export function withInputs(node: Node, replaced: (tensor: Tensor) => Tensor): Node {
  const inputs: Inputs = Object.fromEntries(
    Object.entries(node.inputs).map(([name, tensor]) => [name, tensor && replaced(tensor)]),
  );
  const same = Object.entries(inputs).every(([name, tensor]) => tensor === node.inputs[name]);
  return same ? node : { ...node, inputs };
}

/** Drops weights that no node reads, e.g. those that are now read as parts of a stack. */
export function pruneWeights(graph: Graph): void {
  const read = new Set<Tensor>();
  for (const { inputs } of graph.nodes)
    for (const tensor of Object.values(inputs)) if (tensor) read.add(rootOf(tensor));
  for (const tensor of graph.results.values()) read.add(rootOf(tensor));
  for (const [key, tensor] of graph.weights) if (!read.has(tensor)) graph.weights.delete(key);
}
