/**
 * Sharing: a node that computes what an earlier one computed is dropped, and its readers take the earlier result.
 * A guided step builds the network twice; what does not depend on the prompt is computed once.
 */
import type { Graph, Node, Op, Tensor } from '../graph.ts';
import { rootOf } from '../graph.ts';
import { substitute } from './substitute.ts';

/** Rewrites `graph.nodes` in place; returns how many were dropped. */
export function shareResults(graph: Graph): number {
  const constants = new Map<string, Tensor[]>();
  const ops = new Map<Op, number>();
  const versions = new Map<GPUBuffer, number>();
  const made = new Map<string, Tensor>();
  const by = new Map<Tensor, Tensor>();

  const nameOf = (tensor: Tensor): string => {
    const found = by.get(tensor) ?? tensor;
    const { source, shape, dtype } = found;
    if (source.kind === 'alias') return `${nameOf(source.of)}@${source.at}[${shape.join()}]`;
    if (source.kind === 'external') {
      const { buffer, offset } = source.device;
      return `external ${found.id} ${offset} v${versions.get(buffer) ?? 0}`;
    }
    if (source.kind !== 'constant') return String(found.id);
    const group = `${shape.join()} ${dtype}`;
    const alike = constants.get(group) ?? [];
    const twin = alike.find(({ source: other }) => {
      return other.kind === 'constant' && sameValues(other.values, source.values);
    });
    if (!twin) constants.set(group, [...alike, found]);
    if (twin && twin !== found) by.set(found, twin);
    return String((twin ?? found).id);
  };
  const kept = graph.nodes.filter((node) => {
    const index = ops.get(node.op) ?? ops.size;
    ops.set(node.op, index);
    const [output, ...more] = node.outputs;
    const inputs = Object.entries(node.inputs).map(([name, t]) => `${name}:${t ? nameOf(t) : ''}`);
    if (!output || more.length > 0) {
      if (node.outputs.length === 0) touch(node, versions);
      return true;
    }
    const key = [index, inputs.join(), JSON.stringify(node.attrs), output.shape, output.dtype].join(
      ' ',
    );
    const twin = made.get(key);
    if (!twin) made.set(key, output);
    else by.set(output, twin);
    return twin === undefined;
  });
  const dropped = graph.nodes.length - kept.length;
  graph.nodes.splice(0, graph.nodes.length, ...kept);
  substitute(graph, by);
  return dropped;
}

/** A node without outputs updates external memory in place: whatever it reads there counts as changed. */
function touch({ inputs }: Node, versions: Map<GPUBuffer, number>): void {
  for (const tensor of Object.values(inputs)) {
    const source = tensor && rootOf(tensor).source;
    if (source?.kind !== 'external') continue;
    const { buffer } = source.device;
    versions.set(buffer, (versions.get(buffer) ?? 0) + 1);
  }
}

function sameValues(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
