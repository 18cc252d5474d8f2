/**
 * Recording: a graph resolved once into pipelines, bind groups and grids for one device and one shape.
 * Replaying it (replay.ts) only encodes and submits.
 */
import type { Capabilities, Gpu } from '../gpu/device.ts';
import { withinMemory } from '../gpu/allocate.ts';
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import { bytesOf, packTensor } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import { uniformBytes, writeUniforms } from '../kernels/declare.ts';
import type { Dispatch, Grid, Kernel, Situation, TensorRole } from '../kernels/kernel.ts';
import type { Compiled, PipelineCache } from '../kernels/pipelines.ts';
import { selectVariant, situationOf } from '../kernels/select.ts';
import type { Graph, Tensor } from './graph.ts';
import { offsetOf, rootOf } from './graph.ts';
import { coveredBy } from './over.ts';
import type { MemoryPlan } from './plan.ts';
import { planMemory } from './plan.ts';
import { splitGrid } from './split.ts';

export type RecordedDispatch = {
  readonly label: string;
  readonly kernel: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: Grid;
  readonly flops: number;
  readonly bytes: number;
  /** Keys of the weights that it reads. */
  readonly reads: readonly string[];
};

export type RecordContext = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  /** The device copy of a weight, by checkpoint key. */
  readonly weights: (key: string) => DeviceTensor;
  /** A plan of this very graph that is known already; default: a new one. */
  readonly plan?: MemoryPlan | undefined;
  /** Work that one dispatch may hold, in flops or bytes, whichever is reached first; larger ones are cut. */
  readonly maxDispatchFlops?: number;
};

/** Where a tensor lies on the device. */
type Location = { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

type Call = {
  readonly label: string;
  readonly dispatch: Dispatch<Tensor>;
  readonly kernel: Kernel;
  readonly compiled: Compiled;
  readonly grids: readonly { base: Grid; grid: Grid }[];
};

/** What goes hand in hand with one replay. A failure in it ends the replay. */
export type Feed = {
  /** Resolves to the dispatch before which the replay must ask again, later than `next`: those up to there may run. */
  ready(next: number): Promise<number>;
  /** Told when dispatches up to `end` are queued: what only they read may be written over from now on. */
  queued(end: number): void;
  /** Resolves when all that belongs to this replay is queued too. */
  end(): Promise<void>;
  /** The replay was given up; resolves when nothing is written any more. */
  stop(): Promise<void>;
};

/** A graph ready to run. Owns its arena; weights and external tensors belong to others. */
export class Recording {
  readonly dispatches: readonly RecordedDispatch[];
  readonly arenaBytes: number;
  readonly lowerBoundBytes: number;
  /** What goes hand in hand with each replay, such as weights that arrive while it runs; set by whoever holds it. */
  feed: (() => Feed) | undefined;
  readonly #results: ReadonlyMap<string, DeviceTensor>;
  readonly #owned: readonly GPUBuffer[];

  constructor(parts: {
    dispatches: readonly RecordedDispatch[];
    results: ReadonlyMap<string, DeviceTensor>;
    owned: readonly GPUBuffer[];
    arenaBytes: number;
    lowerBoundBytes: number;
  }) {
    this.dispatches = parts.dispatches;
    this.arenaBytes = parts.arenaBytes;
    this.lowerBoundBytes = parts.lowerBoundBytes;
    this.#results = parts.results;
    this.#owned = parts.owned;
  }

  /** Returns the tensor kept under `name` by `graph.result`. Throws `graph/result` when there is none. */
  result(name: string): DeviceTensor {
    const tensor = this.#results.get(name);
    if (!tensor)
      throw new EngineError(
        'graph/result',
        `result — got "${name}", needs one of ${[...this.#results.keys()].join(', ')}`,
      );
    return tensor;
  }

  destroy(): void {
    for (const buffer of this.#owned) buffer.destroy();
  }
}

/** Resolves to the recording of `graph`; compiles all its pipelines in parallel. */
export async function record(graph: Graph, context: RecordContext): Promise<Recording> {
  const { device, caps } = context.gpu;
  const most = Math.min(caps.maxBindingBytes, caps.maxBufferBytes);
  const plan = context.plan ?? planMemory(graph, most);
  const lowered = lower(graph, caps);
  const owned: GPUBuffer[] = [];
  const usage = GPUUsage.storage | GPUUsage.copySrc | GPUUsage.copyDst;
  const arenaBytes = plan.segments.reduce((a, b) => a + b, 0);
  const arenas = await withinMemory(device, 'activations', arenaBytes, () =>
    plan.segments.map((size, i) => own(owned, device, `arena ${i}`, Math.max(256, size), usage)),
  ).catch((error: unknown) => {
    for (const buffer of owned) buffer.destroy();
    throw error;
  });
  const constants = new Map<Tensor, GPUBuffer>();
  const locate = (tensor: Tensor): Location => {
    const root = rootOf(tensor);
    const { buffer, offset } = locateRoot(root);
    const size = bytesOf(tensor.shape, tensor.dtype);
    return { buffer, offset: offset + offsetOf(tensor), size };
  };
  const locateRoot = (root: Tensor): { buffer: GPUBuffer; offset: number } => {
    const { source } = root;
    if (source.kind === 'weight' || source.kind === 'stack') return context.weights(source.key);
    if (source.kind === 'scales') return context.weights(root.label);
    if (source.kind === 'external') return source.device;
    if (source.kind === 'constant') {
      const known = constants.get(root) ?? uploadConstant(root, source.values, device, owned);
      constants.set(root, known);
      return { buffer: known, offset: 0 };
    }
    const place = plan.placements.get(root);
    const buffer = place && arenas[place.segment];
    if (!place || !buffer)
      throw new EngineError('graph/unwritten', `${root.label} — is read but no node writes it`);
    return { buffer, offset: place.offset };
  };
  await context.pipelines.tuning?.learn(
    lowered.map(({ dispatch, situation }) => ({
      dispatch,
      situation,
      bindings: isRepeatable(dispatch) ? bindingsOf(dispatch, locate) : undefined,
    })),
  );
  const calls = await Promise.all(lowered.map((call) => compileCall(call, context)));
  const dispatches = bindCalls(calls, device, locate, owned);
  const results = new Map(
    [...graph.results].map(([name, tensor]): [string, DeviceTensor] => {
      const { buffer, offset } = locate(tensor);
      return [name, { label: name, shape: tensor.shape, dtype: tensor.dtype, buffer, offset }];
    }),
  );
  return new Recording({
    dispatches,
    results,
    owned,
    arenaBytes,
    lowerBoundBytes: plan.lowerBoundBytes,
  });
}

function own(
  owned: GPUBuffer[],
  device: GPUDevice,
  label: string,
  size: number,
  usage: number,
): GPUBuffer {
  const buffer = device.createBuffer({ label, size, usage });
  owned.push(buffer);
  return buffer;
}

function uploadConstant(
  tensor: Tensor,
  values: ArrayLike<number>,
  device: GPUDevice,
  owned: GPUBuffer[],
): GPUBuffer {
  const bytes = packTensor(values, tensor.shape, tensor.dtype);
  const buffer = own(
    owned,
    device,
    tensor.label,
    Math.max(16, bytes.byteLength),
    GPUUsage.storage | GPUUsage.copyDst,
  );
  device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

/** Work of one dispatch on a processor: a tenth of a second on two cores. Graphics cards need no cut at these sizes. */
const PROCESSOR_FLOPS = 2e8;

type Lowered = {
  readonly scope: string;
  readonly dispatch: Dispatch<Tensor>;
  readonly situation: Situation;
};

const lower = (graph: Graph, caps: Capabilities): Lowered[] =>
  graph.nodes.flatMap((node) =>
    node.op.lower(node).map((call) => {
      const dispatch = { ...call, over: coveredBy(call) };
      const situation = situationOf(dispatch, caps, graph.precision === 'f16');
      return { scope: node.scope, dispatch, situation };
    }),
  );

/** Whether a call may run any number of times before the first replay: it writes nothing but activations. */
const isRepeatable = ({ kernel, tensors }: Dispatch<Tensor>): boolean =>
  Object.entries(kernel.tensors).every(([name, { role }]) => {
    const tensor = tensors[name];
    return !tensor || role === 'in' || role === 'weight' || isActivation(tensor, role);
  });

const isActivation = (tensor: Tensor, role: TensorRole): boolean =>
  role === 'out' && rootOf(tensor).source.kind === 'activation';

async function compileCall(
  { scope, dispatch, situation }: Lowered,
  { gpu, pipelines, maxDispatchFlops }: RecordContext,
): Promise<Call> {
  const { dims } = dispatch;
  const choice = pipelines.tuning?.choiceFor(dispatch, situation);
  const variant = selectVariant(dispatch, situation, choice);
  const { kernel, values } = variant;
  const compiled = await pipelines.get(variant);
  const grids = splitGrid(kernel.grid(dims, values), kernel.cost(dims).flops, {
    maxPerDimension: gpu.device.limits.maxComputeWorkgroupsPerDimension,
    maxFlops: maxDispatchFlops ?? (gpu.caps.software ? PROCESSOR_FLOPS : Infinity),
  });
  return { label: `${scope}/${kernel.name}`, dispatch, kernel, compiled, grids };
}

const bindingsOf = (
  { kernel, tensors, over }: Dispatch<Tensor>,
  locate: (tensor: Tensor) => Location,
): Location[] =>
  Object.keys(kernel.tensors).flatMap((name) => {
    const tensor = name === over ? undefined : tensors[name];
    return tensor ? [locate(tensor)] : [];
  });

/** Keys of the weights that a call reads, those whose scales it reads among them. */
function weightsOf({ tensors }: Dispatch<Tensor>): readonly string[] {
  const keys = Object.values(tensors).flatMap((tensor) => {
    const root = tensor && rootOf(tensor);
    if (root?.source.kind === 'scales') return [root.source.of.label];
    return root?.source.kind === 'weight' || root?.source.kind === 'stack' ? [root.label] : [];
  });
  return [...new Set(keys)];
}

/** One uniform buffer for the whole recording; one bind group for each dispatch, made here and never again. */
function bindCalls(
  calls: readonly Call[],
  device: GPUDevice,
  locate: (tensor: Tensor) => Location,
  owned: GPUBuffer[],
): RecordedDispatch[] {
  const align = Math.max(256, device.limits.minUniformBufferOffsetAlignment);
  const stride = (kernel: Kernel) => Math.ceil(uniformBytes(kernel) / align) * align;
  const total = calls.reduce((sum, call) => sum + stride(call.kernel) * call.grids.length, 0);
  const uniforms = own(
    owned,
    device,
    'uniforms',
    Math.max(256, total),
    GPUUsage.uniform | GPUUsage.copyDst,
  );
  const bytes = new DataView(new ArrayBuffer(Math.max(256, total)));
  let at = 0;
  const recorded = calls.flatMap(({ label, dispatch, kernel, compiled, grids }) =>
    grids.map(({ base, grid }): RecordedDispatch => {
      const { dims } = dispatch;
      writeUniforms(bytes, at, kernel, dims, base);
      const resources: GPUBindingResource[] = bindingsOf(dispatch, locate);
      checkDistinct(label, dispatch, locate);
      resources.push({ buffer: uniforms, offset: at, size: uniformBytes(kernel) });
      const bindGroup = device.createBindGroup({
        label,
        layout: compiled.layout,
        entries: resources.map((resource, binding) => ({ binding, resource })),
      });
      at += stride(kernel);
      const cost = kernel.cost(dims);
      const share = 1 / grids.length;
      return {
        label,
        kernel: kernel.name,
        pipeline: compiled.pipeline,
        bindGroup,
        grid,
        flops: cost.flops * share,
        bytes: cost.bytes * share,
        reads: weightsOf(dispatch),
      };
    }),
  );
  device.queue.writeBuffer(uniforms, 0, bytes.buffer);
  return recorded;
}

/** Throws `graph/aliased` when a dispatch would bind bytes twice, which WebGPU refuses unless both are read-only. */
function checkDistinct(
  label: string,
  { kernel, tensors, over }: Dispatch<Tensor>,
  locate: (tensor: Tensor) => Location,
): void {
  const ranges = Object.entries(kernel.tensors).flatMap(([name, { role }]) => {
    const tensor = role === 'weight' || name === over ? undefined : tensors[name];
    return tensor ? [{ name, ...locate(tensor) }] : [];
  });
  ranges.forEach((range, i) => {
    const twin = ranges
      .slice(0, i)
      .find(
        ({ buffer, offset, size }) =>
          buffer === range.buffer &&
          offset < range.offset + range.size &&
          range.offset < offset + size,
      );
    if (twin)
      throw new EngineError(
        'graph/aliased',
        `${label} — got one tensor as ${twin.name} and ${range.name}, needs two`,
        { stage: label },
      );
  });
}
