/**
 * Fusion: linear layers of the same size that read the same rows become one, with their weights stacked; then the
 * rotations of queries and keys, which lie behind one another, become one too.
 */
import { bytesOf } from '../../gpu/tensor.ts';
import type { Graph, Node, Tensor } from '../graph.ts';
import { BINDING_ALIGNMENT, isNode, offsetOf, rootOf } from '../graph.ts';
import type { RopeAttrs, RopeInputs } from '../ops/attention.ts';
import { ropeOp } from '../ops/attention.ts';
import type { LinearAttrs, LinearInputs } from '../ops/linear.ts';
import { linearOp } from '../ops/linear.ts';
import { substitute } from './substitute.ts';

type Linear = Node<LinearInputs, LinearAttrs>;
type Rope = Node<RopeInputs, RopeAttrs>;

const sizeOfWeight = ({ shape, dtype }: Tensor): number => bytesOf(shape, dtype);

/** Rewrites `graph.nodes` in place; returns how many nodes were folded into others. */
export function fuseProjections(graph: Graph, maxBindingBytes: number): number {
  return mergeLinears(graph, maxBindingBytes) + mergeRotations(graph);
}

function mergeLinears(graph: Graph, maxBindingBytes: number): number {
  const groups = new Map<string, Linear[]>();
  for (const node of graph.nodes) {
    if (!isNode(node, linearOp) || !isPlain(node)) continue;
    const { x, weight, bias } = node.inputs;
    const [y] = node.outputs;
    // Layers of one block: those of all blocks that read a text would fill a device's largest binding.
    const block = node.scope.split('.').slice(0, -1).join('.');
    const key = [block, x.id, weight.shape, weight.dtype, bias !== undefined, y?.dtype].join();
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const by = new Map<Tensor, Tensor>();
  for (const group of groups.values()) {
    const bytes = group.reduce((sum, { inputs: { weight } }) => sum + sizeOfWeight(weight), 0);
    if (group.length > 1 && bytes <= maxBindingBytes) mergeGroup(graph, group, by);
  }
  substitute(graph, by);
  return by.size - new Set([...by.values()].map(rootOf)).size;
}

/** Whether the layer has no riders, weights of its own, and an output whose places in a row of planes can be bound. */
function isPlain({ inputs, attrs, outputs: [y] }: Linear): boolean {
  const { x, weight, bias, gate, factor, residual } = inputs;
  const bare = attrs.activation === 'none' && attrs.planes === 1 && !gate && !factor && !residual;
  const own = weight.source.kind === 'weight' && (!bias || bias.source.kind === 'weight');
  const still = ['activation', 'constant'].includes(rootOf(x).source.kind);
  const bound = y && y.shape.at(-1) === weight.shape[0] && (weight.shape[0] ?? 0) % 4 === 0;
  const at = y ? bytesOf(y.shape, y.dtype) % BINDING_ALIGNMENT : 1;
  return bare && own && still && bound === true && at === 0;
}

function mergeGroup(graph: Graph, group: readonly Linear[], by: Map<Tensor, Tensor>): void {
  const [first] = group;
  const y = first?.outputs[0];
  if (!first || !y) return;
  const planes = group.length;
  const weight = graph.stack(group.map(({ inputs }) => inputs.weight));
  const biases = group.flatMap(({ inputs }) => inputs.bias ?? []);
  const bias = biases.length > 0 ? graph.stack(biases) : undefined;
  const merged = graph.insert(
    graph.nodes.indexOf(first),
    { ...first, inputs: { ...first.inputs, weight, bias }, attrs: { ...first.attrs, planes } },
    [planes, ...y.shape],
    y.dtype,
  );
  group.forEach((node, index) => {
    graph.nodes.splice(graph.nodes.indexOf(node), 1);
    const [output] = node.outputs;
    if (output) by.set(output, partAt(graph, merged, index, output));
  });
}

/** Plane `index` of `merged`, in the place of `old`. */
const partAt = (graph: Graph, merged: Tensor, index: number, old: Tensor): Tensor =>
  graph.part(merged, index * bytesOf(old.shape, old.dtype), old.shape);

function mergeRotations(graph: Graph): number {
  const by = new Map<Tensor, Tensor>();
  for (const node of [...graph.nodes]) {
    if (!isNode(node, ropeOp) || by.has(node.outputs[0] ?? node.inputs.x)) continue;
    const other = graph.nodes.find((next): next is Node => follows(node, next));
    if (isNode(other, ropeOp)) mergePair(graph, node, other, by);
  }
  substitute(graph, by);
  return by.size / 2;
}

/** Whether `next` turns the rows right behind those of `node` by the same table, both with a norm or both without. */
function follows(node: Rope, next: Node): boolean {
  if (!isNode(next, ropeOp) || node.attrs.planes !== 1 || next.attrs.planes !== 1) return false;
  const [a, b] = [node.inputs, next.inputs];
  const size = bytesOf(a.x.shape, a.x.dtype);
  return (
    a.x !== b.x &&
    rootOf(a.x) === rootOf(b.x) &&
    rootOf(a.x).source.kind === 'activation' &&
    offsetOf(b.x) === offsetOf(a.x) + size &&
    a.x.shape.join() === b.x.shape.join() &&
    a.table === b.table &&
    a.weight?.source.kind === b.weight?.source.kind &&
    (a.weight === undefined || a.weight.source.kind === 'weight') &&
    JSON.stringify(node.attrs) === JSON.stringify(next.attrs) &&
    node.outputs[0]?.dtype === next.outputs[0]?.dtype
  );
}

function mergePair(graph: Graph, node: Rope, other: Rope, by: Map<Tensor, Tensor>): void {
  const { x, weight, table } = node.inputs;
  const [y] = node.outputs;
  const root = rootOf(x);
  if (!y) return;
  const shape = [2, ...x.shape];
  const merged = graph.insert(
    graph.nodes.indexOf(node),
    {
      ...node,
      inputs: {
        x: graph.part(root, offsetOf(x), shape),
        weight: weight && other.inputs.weight && graph.stack([weight, other.inputs.weight]),
        table,
      },
      attrs: { ...node.attrs, planes: 2 },
    },
    shape,
    y.dtype,
  );
  for (const [index, { outputs }] of [node, other].entries()) {
    const [output] = outputs;
    if (output) by.set(output, partAt(graph, merged, index, output));
  }
  for (const gone of [node, other]) graph.nodes.splice(graph.nodes.indexOf(gone), 1);
}
