/**
 * One network in the place of another of the same shape, while the other one runs for the last time: each weight is
 * overwritten as soon as the last dispatch that reads it is queued. Nothing more is held on the device, and when the run
 * ends the next network is there.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { Feed, RecordedDispatch } from '../graph/record.ts';
import { readAhead } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { Feeding, usesOf } from './feeding.ts';
import { packSpans } from './packs.ts';
import type { PackSpan } from './packs.ts';
import type { WeightSet } from './upload.ts';
import { checkShapes } from './upload.ts';
import type { WeightSource } from './weight-source.ts';
import { WeightWriter } from './weight-writer.ts';

const PACK_BYTES = 16 * 2 ** 20;

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
  const spans = packSpans([...graph.weights.values()]);
  const after = ({ label }: Tensor): number => (uses.get(label)?.last ?? -1) + 1;
  const tensors = [...graph.weights.values()].sort((a, b) => after(a) - after(b));
  if (!pack) writer.expect(tensors);
  const writeTensor = async (tensor: Tensor): Promise<void> => {
    const scales = tensor.graph.scales(tensor);
    const parts = scales ? [tensor, scales] : [tensor];
    if (pack) {
      for (const part of parts) await writeSpan(pack, spans.get(part.label), part);
    } else if (next.shapesAlone) writer.reserve(tensor);
    else await writer.write(tensor, set.get(tensor.label), scales && set.get(scales.label));
  };
  const writeSpan = async (
    from: ByteSource,
    span: PackSpan | undefined,
    { label }: Tensor,
  ): Promise<void> => {
    const { buffer, offset } = set.get(label);
    let at = offset;
    const { start = 0, end = 0 } = span ?? {};
    for await (const bytes of readAhead(from, start, end, PACK_BYTES)) {
      await writer.copy(bytes, { buffer, offset: at });
      at += bytes.byteLength;
    }
  };
  const steps = tensors.map((tensor) => ({
    ...{ after: after(tensor), before: Infinity },
    write: () => writeTensor(tensor),
  }));
  return new Feeding(steps, () => writer.release());
}
