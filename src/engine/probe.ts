/**
 * How fast a device is, found out in one to two seconds: a product, a tile of attention, a copy, a few compilations and
 * an upload. Together with the work that a model's plan counts this gives the time of a run before it starts.
 */
import type { Gpu } from './gpu/device.ts';
import { createTensor, writeTensor } from './gpu/tensor.ts';
import type { Precision } from './graph/graph.ts';
import { Graph } from './graph/graph.ts';
import { attention } from './graph/ops/attention.ts';
import { affine } from './graph/ops/elementwise.ts';
import { matmulWeight } from './graph/ops/linear.ts';
import type { Recording } from './graph/record.ts';
import { record } from './graph/record.ts';
import type { Work } from './graph/work.ts';
import { workOf } from './graph/work.ts';
import type { Executor } from './graph/replay.ts';
import { PipelineCache } from './kernels/pipelines.ts';

/** Milliseconds that work takes, by its kind; see `Work`. */
export type Speeds = {
  readonly msPerFlop: number;
  readonly msPerAttentionFlop: number;
  readonly msPerByte: number;
  readonly msPerDispatch: number;
  readonly msPerPipeline: number;
  readonly msPerLoadByte: number;
  /** Reading a pixel back, hashing and encoding it. */
  readonly msPerPixel: number;
};

/** Time that each of the three shapes may take. */
const BUDGET_MS = 250;
const LOAD_BYTES = 4 * 2 ** 20;
/** Upload is not all: weights are read from a disk and checked as well. */
const LOAD_FACTOR = 3;
/** Milliseconds to read back, hash and encode one pixel on the processor; runs correct it. */
const MS_PER_PIXEL = 1e-5;

type Sizes = { readonly product: number; readonly tokens: number; readonly values: number };
const CARD: Sizes = { product: 2048, tokens: 2048, values: 2 ** 24 };
const PROCESSOR: Sizes = { product: 256, tokens: 256, values: 2 ** 18 };

/** Resolves to the speeds of a device at `precision`. Takes one to two seconds; nothing stays on the device. */
export async function probeSpeeds(
  gpu: Gpu,
  executor: Executor,
  precision: Precision,
): Promise<Speeds> {
  const { product, tokens, values } = gpu.info.software ? PROCESSOR : CARD;
  const pipelines = new PipelineCache(gpu.device); // its own: compiling is to be timed
  const owned: { destroy(): void }[] = [];
  let compileMs = 0;
  const make = async (build: (graph: Graph) => void): Promise<Recording> => {
    const graph = new Graph({ precision });
    build(graph);
    const start = performance.now();
    const noWeights = (key: string): never => {
      throw new RangeError(`a probe has no weight ${key}`);
    };
    const recording = await record(graph, { gpu, pipelines, weights: noWeights });
    compileMs += performance.now() - start;
    owned.push(recording);
    return recording;
  };
  const rows = (graph: Graph, name: string, shape: readonly number[]) => {
    const tensor = createTensor(gpu.device, `probe/${name}`, shape, precision);
    owned.push(tensor.buffer);
    return graph.external(tensor);
  };
  try {
    const gemm = await make((graph) => {
      const square = [product, product];
      graph.result('y', matmulWeight(rows(graph, 'x', square), rows(graph, 'w', square)));
    });
    const tile = await make((graph) => {
      const part = (name: string) => rows(graph, name, [tokens, 4 * 128]);
      graph.result('y', attention(part('q'), part('k'), part('v'), { heads: 4 }));
    });
    const copy = await make((graph) => {
      graph.result('y', affine(rows(graph, 'x', [values / 1024, 1024]), 2));
    });
    const small = await make((graph) => {
      let x = rows(graph, 'x', [4, 4]);
      for (let i = 0; i < 64; i++) x = affine(x, i % 2 === 0 ? 2 : 0.5);
      graph.result('y', x);
    });
    const times = {
      gemm: await timeOf(executor, gemm),
      tile: await timeOf(executor, tile),
      copy: await timeOf(executor, copy),
      small: await timeOf(executor, small),
    };
    const work = (recording: Recording): Work => workOf(recording.dispatches);
    return {
      msPerFlop: times.gemm / work(gemm).flops,
      msPerAttentionFlop: times.tile / work(tile).attentionFlops,
      msPerByte: times.copy / Math.max(1, work(copy).bytes),
      msPerDispatch: times.small / small.dispatches.length,
      msPerPipeline: compileMs / pipelines.size,
      msPerLoadByte: LOAD_FACTOR * (await uploadMs(gpu)),
      msPerPixel: MS_PER_PIXEL,
    };
  } finally {
    for (const each of owned) each.destroy();
  }
}

/** Milliseconds of one run of a recording, the shortest of as many as fit. */
async function timeOf(executor: Executor, recording: Recording): Promise<number> {
  await executor.replay(recording); // warms up
  let best = Infinity;
  const end = performance.now() + BUDGET_MS;
  do {
    const start = performance.now();
    await executor.replay(recording);
    best = Math.min(best, performance.now() - start);
  } while (performance.now() < end);
  return best;
}

/** Milliseconds that a byte takes to the device. */
async function uploadMs({ device }: Gpu): Promise<number> {
  const tensor = createTensor(device, 'probe/upload', [LOAD_BYTES / 4]);
  try {
    const values = new Float32Array(LOAD_BYTES / 4);
    const start = performance.now();
    writeTensor(device, tensor, values);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - start) / LOAD_BYTES;
  } finally {
    tensor.buffer.destroy();
  }
}

/** Returns the milliseconds that `work` takes at `speeds`. */
export function msOfWork(work: Work, speeds: Speeds): number {
  return (
    work.flops * speeds.msPerFlop +
    work.attentionFlops * speeds.msPerAttentionFlop +
    work.bytes * speeds.msPerByte +
    work.dispatches * speeds.msPerDispatch +
    work.pipelines * speeds.msPerPipeline +
    work.loadBytes * speeds.msPerLoadByte +
    work.pixels * speeds.msPerPixel
  );
}
