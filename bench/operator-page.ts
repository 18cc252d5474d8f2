/** The page's part for operators: devices, peers and rows by number. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { openDevice } from '../src/engine/gpu/device.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import type { Ceilings } from './ceilings.ts';
import { measureCeilings } from './ceilings.ts';
import type { ElementType } from './contender.ts';
import type { OperatorResult } from './measure-operator.ts';
import { measureOperator, textOf } from './measure-operator.ts';
import { operators, smallOperators } from './operators/index.ts';
import type { Operator } from './operators/operator.ts';
import type { Runner } from './ours.ts';
import type { Peer } from './peers/peer.ts';
import type { RaceOptions } from './race.ts';
import { tunedPipelines } from './tuned.ts';

export type OperatorRow = {
  readonly name: string;
  readonly memoryBound: boolean;
};

export type OperatorBench = {
  /** Measures the device's own limits and loads the peers, if they are wanted. */
  prepare(options: {
    readonly peers: boolean;
    /** Whether variants of kernels are timed on this device first, as the app does it. */
    readonly tuned: boolean;
    readonly seconds: number;
  }): Promise<{ readonly ceilings: Ceilings; readonly peers: Readonly<Record<string, string>> }>;
  rows(small: boolean): OperatorRow[];
  measure(row: number, small: boolean, options: RaceOptions): Promise<OperatorResult[]>;
};

let runners: Runner[] = [];
let peers: readonly Peer[] = [];

const rowsOf = (small: boolean): readonly Operator[] => (small ? smallOperators : operators);

export const operatorBench: OperatorBench = {
  async prepare({ peers: wanted, tuned, seconds }) {
    const gpu = await openDevice({ gpu: navigator.gpu });
    const every: readonly ElementType[] = ['f32', 'f16'];
    runners = [await runner('zoetrope', gpu, every, tuned)];
    if (gpu.caps.subgroupMatrix.length > 0) {
      const plain = await openDevice({ gpu: navigator.gpu, without: ['subgroup-matrix'] });
      runners = [
        await runner('zoetrope', plain, every, tuned),
        await runner('zoetrope matrix', gpu, ['f16'], tuned),
      ];
    }
    const ceilings = await measureCeilings(gpu, seconds);
    peers = wanted ? await loadPeers() : [];
    return {
      ceilings,
      peers: Object.fromEntries(peers.map(({ library, version }) => [library, version])),
    };
  },
  rows: (small) => rowsOf(small).map(({ name, memoryBound = false }) => ({ name, memoryBound })),
  async measure(index, small, options) {
    const operator = rowsOf(small)[index];
    if (!operator) throw new Error(`no row ${index}`);
    return measureOperator(operator, runners, peers, options);
  },
};

/** What timing the variants of one operator may take. */
const TUNING_MS = 500;

async function runner(
  library: string,
  gpu: Gpu,
  types: readonly ElementType[],
  tuned: boolean,
): Promise<Runner> {
  if (!tuned || gpu.info.software)
    return { library, gpu, types, pipelines: new PipelineCache(gpu.device) };
  const { pipelines, tuner } = await tunedPipelines(gpu, TUNING_MS);
  return { library, gpu, types, pipelines, refill: () => tuner.refill() };
}

/** Loads the peers; they are a part of the page that nothing else asks for. */
async function loadPeers(): Promise<readonly Peer[]> {
  const loads = [
    async () => (await import('./peers/onnx.ts')).onnxPeer,
    async () => (await import('./peers/tfjs.ts')).tfjsPeer,
    async () => (await import('./peers/jax.ts')).jaxPeer,
  ];
  const loaded = await Promise.all(
    loads.map((load) =>
      load().catch((cause: unknown) => {
        console.error(`a peer does not load: ${textOf(cause)}`);
        return undefined;
      }),
    ),
  );
  return loaded.filter((peer) => peer !== undefined);
}
