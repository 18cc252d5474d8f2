/**
 * The autotuner: times the variants of a kernel on the user's device, at the sizes that a model has, and remembers the
 * fastest. What the record does not know is looked up in the table of known devices, then left to the kernel's default.
 */
import type { Gpu } from '../gpu/device.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import { splitGrid } from '../graph/split.ts';
import { uniformBytes, writeUniforms } from '../kernels/declare.ts';
import type { Dispatch, Grid, Situation } from '../kernels/kernel.ts';
import type { PipelineCache } from '../kernels/pipelines.ts';
import type { Choice } from '../kernels/select.ts';
import type { Candidate, TunableCall, Tuning } from '../kernels/tunable.ts';
import { candidatesOf } from '../kernels/tunable.ts';
import type { DeviceClock, Encode } from './clock.ts';
import { deviceClock } from './clock.ts';
import { adapterKey, callKey } from './key.ts';
import { race } from './race.ts';
import type { TuningEntry, TuningRecord, TuningStore } from './store.ts';
import { readRecord } from './store.ts';
import { tableFor } from './table.ts';

export type TunerOptions = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly store: TuningStore;
  /** What is known of devices like this one; default the shipped table. */
  readonly table?: TuningRecord;
  /** Milliseconds that timing may take until `refill`; 0 = only look up. */
  readonly budgetMs?: number;
  /** Told when the record cannot be read or written; without it, timings live as long as the tuner. */
  readonly onStoreError?: (error: unknown) => void;
};

/** What a whole model may take the first time. */
const BUDGET_MS = 3000;
/** A sample should take this long: browsers round timestamps to a tenth of a millisecond. */
const SAMPLE_MS = 3;
const MOST_REPEATS = 256;
/** Graphics cards idle while kernels compile, at a fraction of their speed; this much work wakes them. */
const WAKE_MS = 300;
/** A call that takes longer than this is timed on a part of its grid. */
const LONG_MS = 40;
/** Flops that any graphics card does in a millisecond: decides how much of a call is run the very first time. */
const SLOW_FLOPS = 2e8;

/** One candidate, ready to be encoded on a part of its grid. */
type Runner = { readonly candidate: Candidate; readonly share: number; readonly encode: Encode };

/** Timings of one device. */
export class Tuner implements Tuning {
  readonly #options: TunerOptions;
  readonly #adapter: string;
  readonly #table: TuningRecord;
  readonly #found = new Map<string, TuningEntry>();
  #leftMs: number;
  /** Whether the device has worked long enough to run at its full speed. */
  #awake = false;
  /** Kinds and sizes timed by this tuner, not looked up. */
  timed = 0;
  /** Variants that the device's compiler refused; they take no part. */
  readonly refused: { readonly choice: Choice; readonly error: unknown }[] = [];

  private constructor(options: TunerOptions, record: TuningRecord) {
    this.#options = options;
    this.#adapter = adapterKey(options.gpu);
    this.#table = options.table ?? tableFor(options.gpu);
    this.#found = new Map(Object.entries(record));
    this.#leftMs = options.budgetMs ?? BUDGET_MS;
  }

  /** Resolves to a tuner with what is recorded for the device. */
  static async open(options: TunerOptions): Promise<Tuner> {
    try {
      const saved = await options.store.load(adapterKey(options.gpu));
      return new Tuner(options, readRecord(saved));
    } catch (error) {
      options.onStoreError?.(error);
      return new Tuner(options, {});
    }
  }

  /** What is known of the device by now. */
  get record(): Record<string, TuningEntry> {
    return Object.fromEntries(this.#found);
  }

  /** Grants the whole budget again: for the next model. */
  refill(): void {
    this.#leftMs = this.#options.budgetMs ?? BUDGET_MS;
  }

  choiceFor(
    dispatch: Dispatch<{ readonly dtype: Dtype }>,
    situation: Situation,
  ): Choice | undefined {
    const key = callKey(dispatch, situation);
    return this.#found.get(key) ?? this.#table[key];
  }

  async learn(calls: readonly TunableCall[]): Promise<void> {
    if (this.#options.budgetMs === 0) return;
    const begin = performance.now();
    const deadline = begin + this.#leftMs;
    const unknown = this.#unknown(calls);
    if (unknown.length === 0) return;
    const clock = deviceClock(this.#options.gpu);
    try {
      if (this.#leftMs > 0) this.#compileAll(unknown);
      this.#awake = this.#options.gpu.info.software; // processors never idle
      for (const { key, call } of unknown) {
        // What the budget does not reach stays with its default, so that the next run begins at once.
        const entry =
          performance.now() < deadline
            ? await this.#time(call, clock, deadline)
            : defaultOf(call.dispatch, call.situation);
        this.#found.set(key, entry);
      }
    } finally {
      clock.destroy();
      this.#leftMs -= performance.now() - begin;
    }
    try {
      await this.#options.store.save(this.#adapter, this.record);
    } catch (error) {
      this.#options.onStoreError?.(error);
    }
  }

  /** One call of each kind and size that nothing is known of, those with most work first. */
  #unknown(calls: readonly TunableCall[]): { key: string; call: TunableCall }[] {
    const kinds = new Map<string, { key: string; call: TunableCall; work: number }>();
    for (const call of calls) {
      const { dispatch, situation, bindings } = call;
      const key = callKey(dispatch, situation);
      if (!bindings || this.#found.has(key) || key in this.#table) continue;
      const { flops, bytes } = dispatch.kernel.cost(dispatch.dims);
      const known = kinds.get(key);
      if (known) known.work += flops + 10 * bytes;
      else if (candidatesOf(dispatch, situation).length > 1)
        kinds.set(key, { key, call, work: flops + 10 * bytes });
    }
    return [...kinds.values()].toSorted((a, b) => b.work - a.work);
  }

  /** Starts all compilations, side by side; whoever needs one awaits it. */
  #compileAll(unknown: readonly { readonly call: TunableCall }[]): void {
    for (const { call } of unknown) {
      for (const { variant } of candidatesOf(call.dispatch, call.situation))
        this.#options.pipelines.get(variant).catch(() => undefined); // told where it is awaited
    }
  }

  async #time(call: TunableCall, clock: DeviceClock, deadline: number): Promise<TuningEntry> {
    const { dispatch, situation } = call;
    const uniforms: GPUBuffer[] = [];
    const now = (): number => performance.now();
    try {
      const { flops } = dispatch.kernel.cost(dispatch.dims);
      const few = Math.max(1, Math.ceil(flops / SLOW_FLOPS / LONG_MS));
      const [trial] = await this.#runners(call, few, uniforms);
      if (!trial) return defaultOf(dispatch, situation);
      const first = await clock.time(trial.encode, 1);
      if (!this.#awake) await this.#wake(clock, trial.encode, first, deadline);
      const once = (await clock.time(trial.encode, 1)) / trial.share;
      const pieces = Math.max(1, Math.round(once / LONG_MS));
      const runners = await this.#runners(call, pieces, uniforms);
      const wanted = Math.ceil(SAMPLE_MS / Math.max(once / pieces, 0.01));
      const repeats = Math.min(MOST_REPEATS, Math.max(1, wanted));
      const sample = async (index: number): Promise<number> => {
        const { encode, share } = runners[index] ?? trial;
        return (await clock.time(encode, repeats)) / share;
      };
      const { winner, ratio } = await race(runners.length, { sample, now, deadline });
      this.timed++;
      return { ...(runners[winner] ?? trial).candidate.choice, ratio };
    } finally {
      for (const buffer of uniforms) buffer.destroy();
    }
  }

  /** Keeps the device at work, in pieces that leave the page alive. */
  async #wake(clock: DeviceClock, encode: Encode, ms: number, deadline: number): Promise<void> {
    const end = Math.min(performance.now() + WAKE_MS, deadline);
    const repeats = Math.min(MOST_REPEATS, Math.max(1, Math.ceil(LONG_MS / Math.max(ms, 0.01))));
    while (performance.now() < end) await clock.time(encode, repeats);
    this.#awake = true;
  }

  /** Resolves to the candidates that compile, the default first, each on about one of `pieces` parts of its grid. */
  async #runners(call: TunableCall, pieces: number, uniforms: GPUBuffer[]): Promise<Runner[]> {
    const runners: Runner[] = [];
    for (const [index, candidate] of candidatesOf(call.dispatch, call.situation).entries()) {
      try {
        runners.push(await this.#runner(call, candidate, pieces, uniforms));
      } catch (error) {
        if (index === 0) throw error;
        this.refused.push({ choice: candidate.choice, error });
      }
    }
    return runners;
  }

  async #runner(
    { dispatch: { dims }, bindings = [] }: TunableCall,
    candidate: Candidate,
    pieces: number,
    uniforms: GPUBuffer[],
  ): Promise<Runner> {
    const { gpu, pipelines } = this.#options;
    const { device } = gpu;
    const { kernel, values } = candidate.variant;
    const { pipeline, layout } = await pipelines.get(candidate.variant);
    const whole = kernel.grid(dims, values);
    const [part = { base: [0, 0, 0], grid: whole }] = splitGrid(whole, pieces, {
      maxPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
      maxFlops: 1,
    });
    const block = new DataView(new ArrayBuffer(uniformBytes(kernel)));
    writeUniforms(block, 0, kernel, dims, part.base);
    const size = block.byteLength;
    const buffer = device.createBuffer({ size, usage: GPUUsage.uniform | GPUUsage.copyDst });
    uniforms.push(buffer);
    device.queue.writeBuffer(buffer, 0, block.buffer);
    const entries = [...bindings, { buffer }].map((resource, binding) => ({ binding, resource }));
    const bindGroup = device.createBindGroup({ label: 'tuning', layout, entries });
    return {
      candidate,
      share: countOf(part.grid) / countOf(whole),
      encode(pass) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...part.grid);
      },
    };
  }
}

const countOf = ([x, y, z]: Grid): number => x * y * z;

function defaultOf(
  dispatch: Dispatch<{ readonly dtype: Dtype }>,
  situation: Situation,
): TuningEntry {
  const [own] = candidatesOf(dispatch, situation);
  return { ...(own?.choice ?? { kernel: dispatch.kernel.name, values: {} }), ratio: 1 };
}
