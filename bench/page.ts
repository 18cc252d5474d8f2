/** The browser's side of `npm run bench`: rows by number, one measured at a call. */
import { openDevice } from '../src/engine/gpu/device.ts';
import type { Gpu } from '../src/engine/gpu/device.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import type { AvatarBench } from './avatar-page.ts';
import { avatarBench } from './avatar-page.ts';
import type { ClipBench } from './clip-page.ts';
import { clipBench } from './clip-page.ts';
import { copyBandwidth } from './copy.ts';
import type { LadderBench } from './ladder-page.ts';
import { ladderBench } from './ladder-page.ts';
import { textOf } from './measure-operator.ts';
import type { OperatorBench } from './operator-page.ts';
import { operatorBench } from './operator-page.ts';
import { measureRow, rowsFor } from './rows.ts';
import type { Measured, Speed } from './rows.ts';

export type BenchDevice = Gpu['info'] & { readonly capabilities: Gpu['caps'] };

export type RowName = { readonly kernel: string; readonly why: string; readonly tier: string };

export type Outcome = Measured | { readonly leftOut: string } | { readonly failure: string };

/** Every kernel on its own, by the rows of its descriptor. */
export type KernelBench = {
  /** Resolves to the bandwidth of the copy kernel, in GB/s. */
  prepare(seconds: number): Promise<number>;
  rows(): RowName[];
  measure(row: number, seconds: number): Promise<Outcome>;
};

export type Bench = {
  /** Opens the device; undefined where there is no WebGPU. */
  open(): Promise<BenchDevice | undefined>;
  readonly kernels: KernelBench;
  readonly operators: OperatorBench;
  readonly ladders: LadderBench;
  readonly avatar: AvatarBench;
  readonly clips: ClipBench;
};

declare global {
  var bench: Bench;
}

type Opened = { readonly gpu: Gpu; readonly pipelines: PipelineCache };

let opened: Opened | undefined;
/** To tell in advance what takes too long: a processor manages about one flop a byte, a graphics card runs every row. */
let speed: Speed = { gflops: Infinity, gigabytes: Infinity };

function device(): Opened {
  if (!opened) throw new Error('open the device first');
  return opened;
}

const kernels: KernelBench = {
  async prepare(seconds) {
    const { gpu } = device();
    const copyGigabytes = await copyBandwidth(gpu, seconds);
    if (gpu.info.software) speed = { gflops: copyGigabytes, gigabytes: copyGigabytes };
    return copyGigabytes;
  },
  rows: () =>
    rowsFor(device().gpu).map(({ kernel, test, tier }) => ({
      kernel: kernel.name,
      why: test.why,
      tier: tier.name,
    })),
  async measure(index, seconds) {
    const { gpu, pipelines } = device();
    const row = rowsFor(gpu)[index];
    if (!row) return { failure: `no row ${index}` };
    try {
      return await measureRow(gpu, pipelines, row, speed, seconds);
    } catch (error) {
      return { failure: textOf(error) };
    }
  },
};

globalThis.bench = {
  async open() {
    const gpu = await openDevice({ gpu: navigator.gpu }).catch(() => undefined);
    if (!gpu) return undefined;
    opened = { gpu, pipelines: new PipelineCache(gpu.device) };
    return { ...gpu.info, capabilities: gpu.caps };
  },
  kernels,
  operators: operatorBench,
  ladders: ladderBench,
  avatar: avatarBench,
  clips: clipBench,
};
