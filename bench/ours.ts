/** The engine as a contender: the operator as a graph of its own, recorded once, encoded as often as asked. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import type { DeviceTensor } from '../src/engine/gpu/tensor.ts';
import { createTensor, pitchOf } from '../src/engine/gpu/tensor.ts';
import type { Tensor, WeightPolicy } from '../src/engine/graph/graph.ts';
import { Graph } from '../src/engine/graph/graph.ts';
import { fuse } from '../src/engine/graph/passes/fuse.ts';
import { record } from '../src/engine/graph/record.ts';
import type { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { withIntegerProducts } from '../src/engine/weights/policy.ts';
import type { Contender, ElementType } from './contender.ts';
import { readElements } from './contender.ts';
import { submitRepeats } from './encode.ts';
import { Filler } from './fill.ts';
import { RandomWeights } from './random-weights.ts';
import type { Operator } from './operators/operator.ts';
import { asIs, indexOf } from './operators/operator.ts';

/** The engine on one device, under the name that the table shows. */
export type Runner = {
  readonly library: string;
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly types: readonly ElementType[];
  /** Grants the tuner time for another operator. */
  readonly refill?: () => void;
};

/** Resolves to the engine's contender. Throws `gpu/limit`, `shader/compile`. */
export async function prepareOurs(
  { library, gpu, pipelines, refill }: Runner,
  operator: Operator,
  type: ElementType,
): Promise<Contender> {
  const { device } = gpu;
  refill?.();
  const policy: WeightPolicy = () => operator.quantise;
  const quantise = operator.integerProducts ? withIntegerProducts(policy) : policy;
  const graph = new Graph({ precision: type, quantise });
  const filler = new Filler(device);
  const weights = new RandomWeights(gpu, pipelines);
  const owned: DeviceTensor[] = [];
  const held = (name: string, shape: readonly number[], dtype: DeviceTensor['dtype']) => {
    const tensor = createTensor(device, name, shape, dtype);
    owned.push(tensor);
    const operand = operator.operands[name];
    if (operand) filler.write(tensor, operand.fill, operand.shape);
    return tensor;
  };
  const inputs: Record<string, Tensor> = {};
  for (const [name, { shape: logical, weight }] of Object.entries(operator.operands)) {
    const shape = operator.shapes?.[name] ?? logical;
    const dtype = operator.exact?.includes(name) ? 'f32' : type;
    inputs[name] = weight
      ? graph.weight(name, shape, { quantisable: operator.quantise !== undefined })
      : graph.external(held(name, shape, dtype));
  }
  const hold = (name: string, shape: readonly number[]): Tensor =>
    graph.external(held(name, shape, type));
  graph.result('y', operator.build(graph, inputs, hold));
  fuse(graph, gpu.caps);
  await weights.load(
    graph,
    Object.fromEntries(
      Object.entries(operator.operands).map(([name, { fill, shape }]) => [
        name,
        { fill, logical: shape },
      ]),
    ),
  );
  const recording = await record(graph, {
    ...{ gpu, pipelines },
    weights: (key) => weights.get(key),
  });
  const y = recording.result('y');
  const { shape, dtype } = y;
  return {
    library,
    type,
    flops: recording.dispatches.reduce((sum, { flops }) => sum + flops, 0),
    kernels: [...new Set(recording.dispatches.map(({ kernel }) => kernel))],
    async run(repeats) {
      submitRepeats(gpu.device, recording, repeats);
      await device.queue.onSubmittedWorkDone();
    },
    read(places) {
      const width = shape.at(-1) ?? 1;
      const elements = places.map((place) => {
        const index = indexOf(asIs(operator.result).shape, place);
        return Math.floor(index / width) * pitchOf(shape) + (index % width);
      });
      return readElements(device, y, elements, dtype === 'f16' ? 'f16' : 'f32');
    },
    destroy() {
      recording.destroy();
      weights.destroy();
      for (const { buffer } of owned) buffer.destroy();
    },
  };
}
