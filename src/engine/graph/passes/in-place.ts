/**
 * In place: what a node makes is written over an input that nothing needs afterwards, where the node's kernels can do so
 * (`over` in kernels/kernel.ts). Sums on the residual stream then all have one place, and queries and keys are normed and
 * turned where they lie.
 *
 * An input that is a part of something larger, one of the planes that one product made, is written over only if the whole
 * is held as long as the output anyway: else the output would hold it.
 */
import { bytesOf, rowsOf } from '../../gpu/tensor.ts';
import type { Graph, Node, Tensor } from '../graph.ts';
import { rootOf } from '../graph.ts';
import { coverable, meets } from '../over.ts';
import { replacement, withInputs } from './substitute.ts';

/** Rewrites `graph.nodes` in place, as the last pass; returns how many nodes write over what they read. */
export function inPlace(graph: Graph): number {
  const uses = usesOf(graph);
  const lastOf = (tensor: Tensor, made: number): number =>
    (uses.get(tensor) ?? []).reduce((last, { at }) => Math.max(last, at), made);
  const held = new Map<Tensor, number>(); // until when what is written over lives on as something else
  const by = new Map<Tensor, Tensor>();
  const replaced = replacement(by);
  graph.nodes.forEach((node, index) => {
    const [y, ...others] = node.outputs;
    const moved = withInputs(node, replaced);
    graph.nodes[index] = moved;
    if (!y || y.source.kind !== 'activation') return;
    const end = lastOf(y, index);
    const x = inputsBelow(node, y).find((tensor) => {
      const free = (uses.get(rootOf(tensor)) ?? []).every(
        (use) => use.at <= index || !meets(use.tensor, tensor),
      );
      const root = rootOf(replaced(tensor));
      const whole = bytesOf(root.shape, root.dtype) === bytesOf(tensor.shape, tensor.dtype);
      return free && (whole || Math.max(lastOf(root, index), held.get(root) ?? index) >= end);
    });
    if (!x) return;
    const below = replaced(x);
    const root = rootOf(below);
    held.set(root, Math.max(end, held.get(root) ?? end));
    const over = graph.alias(below, y.shape);
    by.set(y, over);
    graph.nodes[index] = { ...moved, outputs: [over, ...others] };
  });
  for (const [name, tensor] of graph.results) graph.results.set(name, replaced(tensor));
  return by.size;
}

type Use = { readonly tensor: Tensor; readonly at: number };

/** Where memory is read: the places of nodes, behind all of them for what is kept. */
function usesOf(graph: Graph): Map<Tensor, Use[]> {
  const uses = new Map<Tensor, Use[]>();
  const note = (tensor: Tensor | undefined, at: number): void => {
    if (!tensor) return;
    const root = rootOf(tensor);
    const known = uses.get(root);
    if (known) known.push({ tensor, at });
    else uses.set(root, [{ tensor, at }]);
  };
  graph.nodes.forEach(({ inputs }, at) => {
    for (const tensor of Object.values(inputs)) note(tensor, at);
  });
  for (const tensor of graph.results.values()) note(tensor, graph.nodes.length);
  return uses;
}

/** The inputs that `y` could be written over if nothing read them afterwards, best first. */
function inputsBelow(node: Node, y: Tensor): Tensor[] {
  const calls = node.op.lower(node);
  const [call, ...more] = calls.filter(({ tensors }) => Object.values(tensors).includes(y));
  if (!call || more.length > 0) return [];
  return coverable(call).flatMap((name) => {
    const x = call.tensors[name];
    if (!x || rootOf(x).source.kind !== 'activation' || !sameLayout(x, y)) return [];
    const alone = calls.every(({ tensors }) =>
      Object.entries(tensors).every(
        ([other, tensor]) =>
          !tensor || (tensors === call.tensors && other === name) || !meets(tensor, x),
      ),
    );
    return alone ? [x] : [];
  });
}

const sameLayout = (a: Tensor, b: Tensor): boolean =>
  a.dtype === b.dtype && rowsOf(a.shape) === rowsOf(b.shape) && a.shape.at(-1) === b.shape.at(-1);
