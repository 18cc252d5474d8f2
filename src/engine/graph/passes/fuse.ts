/**
 * Fusion: folds activations, products, gates and residual sums into the kernel that makes their input.
 *
 * A step may ride when the producer's output has no other reader, the producer can take it (`riders`), nothing that
 * comes later in its order rides already, it brings no tensor that the producer reads already (a dispatch cannot bind
 * one twice), and no in-place update stands between the two.
 */
import type { Graph, Inputs, Node, Rider, Tensor } from '../graph.ts';
import { isNode, rootOf } from '../graph.ts';
import type { ElementwiseAttrs } from '../ops/elementwise.ts';
import { elementwiseOp } from '../ops/elementwise.ts';
import { gateOp } from '../ops/gate.ts';
import { fuseProjections } from './fuse-projections.ts';
import { fuseRope } from './fuse-rope.ts';
import { inPlace } from './in-place.ts';
import { integerProducts } from './integer-products.ts';
import { narrowSums } from './narrow-sums.ts';
import { shareResults } from './share.ts';
import { pruneWeights } from './substitute.ts';

type Attrs = Readonly<Record<string, unknown>>;

type Step = {
  readonly rider: Rider;
  /** The tensor whose producer would take the step. */
  readonly through: Tensor;
  readonly inputs: Inputs;
  readonly attrs: Attrs;
};

export type FuseOptions = {
  /** Bytes that the device can bind at once; default what every device can. */
  readonly maxBindingBytes?: number;
};

/** Rewrites `graph.nodes` in place by all passes; returns how many nodes were dropped or folded in. */
export function fuse(graph: Graph, { maxBindingBytes = 2 ** 27 }: FuseOptions = {}): number {
  const shared = shareResults(graph);
  const folded = fuseRope(graph) + fuseRiders(graph) + fuseProjections(graph, maxBindingBytes);
  narrowSums(graph);
  pruneWeights(graph);
  if (graph.integerProducts) integerProducts(graph);
  inPlace(graph);
  return shared + folded;
}

function fuseRiders(graph: Graph): number {
  let folded = 0;
  const readers = countReaders(graph);
  const kept = new Set([...graph.results.values()].map(rootOf));
  for (let index = 0; index < graph.nodes.length; index++) {
    const node = graph.nodes[index];
    if (!node) continue;
    for (const step of stepsOf(node)) {
      if (readers.get(step.through) !== 1 || kept.has(step.through)) continue;
      const at = producerBefore(graph, step.through, index);
      const producer = graph.nodes[at];
      if (!producer || !canRide(graph, producer, at, index, step)) continue;
      graph.nodes[index] = {
        ...producer,
        inputs: { ...producer.inputs, ...step.inputs },
        attrs: { ...(producer.attrs as Attrs), ...step.attrs },
        outputs: node.outputs,
      };
      graph.nodes.splice(at, 1);
      index -= 2; // look at the merged node again: the next step may ride on it too
      folded++;
      break;
    }
  }
  return folded;
}

/** The ways in which `node` could be folded into a producer of one of its inputs. */
function stepsOf(node: Node): Step[] {
  if (isNode(node, gateOp)) {
    const { x, gate, residual } = node.inputs;
    const gated: Step = {
      rider: 'gate',
      through: x,
      inputs: { gate, residual },
      attrs: { ...node.attrs },
    };
    return [gated];
  }
  if (!isNode(node, elementwiseOp)) return [];
  const { x, b } = node.inputs;
  const { activation, combine, scale, shift } = node.attrs;
  if (scale !== 1 || shift !== 0) return [];
  if (!b)
    return activation === 'none'
      ? []
      : [{ rider: 'activation', through: x, inputs: {}, attrs: { activation } }];
  if (activation !== 'none' || !sameRows(x, b, node.attrs)) return [];
  const [rider, name]: [Rider, string] =
    combine === 'add' ? ['residual', 'residual'] : ['factor', 'factor'];
  return [
    { rider, through: x, inputs: { [name]: b }, attrs: {} },
    { rider, through: b, inputs: { [name]: x }, attrs: {} },
  ];
}

const sameRows = (x: Tensor, b: Tensor, { repeatEach }: ElementwiseAttrs): boolean =>
  repeatEach === 1 &&
  x.shape.length === b.shape.length &&
  x.shape.every((length, axis) => length === b.shape[axis]);

const ORDER: readonly Rider[] = ['activation', 'factor', 'gate', 'residual'];

function canRide(graph: Graph, producer: Node, at: number, index: number, step: Step): boolean {
  const riders = producer.op.riders ?? [];
  const needed: readonly Rider[] = step.rider === 'gate' ? ['gate', 'residual'] : [step.rider];
  if (!needed.every((rider) => riders.includes(rider))) return false;
  // A weight as rider would be bound writable beside the producer's own weights, in one buffer.
  if (Object.values(step.inputs).some((t) => t && isWeight(rootOf(t)))) return false;
  const taken = ORDER.filter((rider) => rides(producer, rider));
  if (taken.some((rider) => ORDER.indexOf(rider) >= ORDER.indexOf(step.rider))) return false;
  const mine = new Set(
    Object.values(producer.inputs).flatMap((tensor) => (tensor ? [rootOf(tensor)] : [])),
  );
  if (Object.values(step.inputs).some((tensor) => tensor && mine.has(rootOf(tensor)))) return false;
  const between = graph.nodes.slice(at + 1, index);
  return !between.some(
    (other) =>
      other.outputs.length === 0 &&
      Object.values(other.inputs).some((t) => t && sharesMemory(mine, t)),
  );
}

const isWeight = ({ source }: Tensor): boolean =>
  source.kind === 'weight' || source.kind === 'stack';

function rides(node: Node, rider: Rider): boolean {
  if (rider === 'activation') return ((node.attrs as Attrs)['activation'] ?? 'none') !== 'none';
  return node.inputs[rider] !== undefined;
}

function sharesMemory(mine: ReadonlySet<Tensor>, tensor: Tensor): boolean {
  const { source } = rootOf(tensor);
  if (source.kind !== 'external') return false;
  return [...mine].some(
    (other) =>
      other.source.kind === 'external' && other.source.device.buffer === source.device.buffer,
  );
}

/** Returns how often each tensor is read. Folding leaves these counts as they are, but for the tensor that it drops. */
function countReaders(graph: Graph): Map<Tensor, number> {
  const counts = new Map<Tensor, number>();
  for (const { inputs } of graph.nodes) {
    for (const input of Object.values(inputs)) {
      const tensor = input && rootOf(input);
      if (tensor) counts.set(tensor, (counts.get(tensor) ?? 0) + 1);
    }
  }
  return counts;
}

/** Returns the place of the node that makes `tensor`, looking back from `index`; -1 when there is none. */
function producerBefore(graph: Graph, tensor: Tensor, index: number): number {
  let at = index - 1;
  while (at >= 0 && !graph.nodes[at]?.outputs.includes(tensor)) at--;
  return at;
}
