/**
 * One network in the place of another of the same shape, while the other one runs for the last time: each weight is
 * overwritten as soon as the last dispatch that reads it is queued. Nothing more is held on the device, and when the run
 * ends the next network is there.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { Feed, RecordedDispatch } from '../graph/record.ts';
import type { ByteSource } from './byte-source.ts';
import { Feeding, usesOf } from './feeding.ts';
import { packSpans } from './packs.ts';
import type { WeightSet } from './upload.ts';
import { checkShapes } from './upload.ts';
import type { WeightSource } from './weight-source.ts';
import type { Copy, Target } from './weight-writer.ts';
import { copiesOf, streamOf, targetsOf, WeightWriter } from './weight-writer.ts';

/**
 * Returns what feeds the last replay of `dispatches`, recorded from `graph` with the weights of `set`, so that `set` holds
 * the weights of `next` after it; `pack` has them as they lie on the device, where they were kept.
 * Throws `weights/shape` and `weights/missing` when `next` is of another shape.
 */
export function swapFeed(
  gpu: Gpu,
  set: WeightSet,
  graph: Graph,
  dispatches: readonly RecordedDispatch[],
  next: WeightSource,
  pack: ByteSource | undefined,
): Feed {
  if (!next.fill) checkShapes(graph, next);
  const writer = new WeightWriter(gpu, next);
  const uses = usesOf(dispatches);
  const after = ({ label }: Tensor): number => (uses.get(label)?.last ?? -1) + 1;
  const tensors = [...graph.weights.values()].sort((a, b) => after(a) - after(b));
  const targets = (tensor: Tensor): readonly Target[] => {
    const scales = tensor.graph.scales(tensor);
    return targetsOf(tensor, set.get(tensor.label), scales && set.get(scales.label));
  };
  if (!pack) writer.expect(tensors.flatMap(targets));
  const copy = pack && copyOf(pack, graph, tensors, set, writer);
  const write = async (tensor: Tensor): Promise<void> => {
    if (copy) await copy(tensor);
    else if (next.shapesAlone) writer.reserve(tensor);
    else for (const target of targets(tensor)) await writer.write(target);
  };
  const steps = tensors.map((tensor) => ({
    ...{ after: after(tensor), before: Infinity },
    write: () => write(tensor),
  }));
  return new Feeding(steps, () => writer.release());
}

/** Returns what copies the next of `tensors` from a pack of all weights of `graph` to where `set` has it. */
function copyOf(
  pack: ByteSource,
  graph: Graph,
  tensors: readonly Tensor[],
  set: WeightSet,
  writer: WeightWriter,
): (tensor: Tensor) => Promise<void> {
  const spans = packSpans([...graph.weights.values()]);
  const copies = (tensor: Tensor): readonly Copy[] =>
    [tensor, tensor.graph.scales(tensor) ?? []].flat().flatMap(({ label }) => {
      const { start, end } = spans.get(label) ?? { start: 0, end: 0 };
      return copiesOf(pack, start, end, set.get(label));
    });
  const stream = streamOf(tensors.flatMap(copies));
  return (tensor) => writer.copyAll(copies(tensor), stream);
}
