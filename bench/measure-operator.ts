/** One row of the table of operators: every contender prepared, checked by numbers, then raced. */
import { groupOf, integersPer16 } from '../src/engine/gpu/integers.ts';
import type { Contender, ElementType, Reference } from './contender.ts';
import { ALLOWED, checkResult, referenceFor } from './contender.ts';
import { operandBytes } from './operands.ts';
import type { Operator } from './operators/operator.ts';
import type { Runner } from './ours.ts';
import { prepareOurs } from './ours.ts';
import type { Peer } from './peers/peer.ts';
import type { RaceOptions, Timed } from './race.ts';
import { race } from './race.ts';

export type OperatorResult = {
  readonly library: string;
  readonly type: ElementType;
  readonly ours: boolean;
  /** Kernels that the engine chose. */
  readonly kernels?: readonly string[];
  /** Worst error as a share of the root mean square of the reference. */
  readonly error?: number;
  readonly tflops?: number;
  /** Gigabytes a second of operands read and results written once. */
  readonly gigabytes?: number;
  readonly time?: Timed;
  /** Why there are no figures. */
  readonly failure?: string;
};

type Entry = {
  readonly library: string;
  readonly type: ElementType;
  readonly ours: boolean;
  prepare(): Promise<Contender>;
};

const TYPES: readonly ElementType[] = ['f32', 'f16'];

/** Resolves to the results of all contenders: the engine on each of `runners`, then the peers. */
export async function measureOperator(
  operator: Operator,
  runners: readonly Runner[],
  peers: readonly Peer[],
  options: RaceOptions,
): Promise<OperatorResult[]> {
  const [first] = runners;
  if (!first) return [];
  const bytes = operandBytes(first.gpu.device);
  const types = first.gpu.caps.f16 ? TYPES : TYPES.slice(0, 1); // no peer stores f16 without computing in it
  const entries: Entry[] = [
    ...runners.flatMap((runner) =>
      typesOf(runner, operator).map((type) => ({
        ...{ library: runner.library, type, ours: true },
        prepare: () => prepareOurs(runner, operator, type),
      })),
    ),
    ...peers.flatMap((peer) =>
      types
        .filter((type) => peer.types.includes(type) && peer.runs(operator))
        .map((type) => ({
          ...{ library: peer.library, type, ours: false },
          prepare: () => peer.prepare(operator, type, bytes),
        })),
    ),
  ];
  const results: OperatorResult[] = [];
  let reference: Reference | undefined;
  const ready: { contender: Contender; error: number; at: number }[] = [];
  for (const { library, type, ours, prepare } of entries) {
    const at = results.push({ library, type, ours }) - 1;
    let contender: Contender | undefined;
    try {
      contender = await within(PREPARE_MS, prepare());
      await within(PREPARE_MS, contender.run(1));
      reference ??= await referenceFor(operator, contender.read);
      const error = checkResult(
        await contender.read(reference.places),
        reference,
        operator.allowed ?? ALLOWED[type],
      );
      ready.push({ contender, error, at });
      if (contender.kernels) results[at] = { library, type, ours, kernels: contender.kernels };
    } catch (cause) {
      contender?.destroy();
      results[at] = { library, type, ours, failure: textOf(cause) };
    }
  }
  try {
    const times = await race(
      ready.map(({ contender }) => contender),
      options,
    );
    ready.forEach(({ error, at, contender }, i) => {
      const [time, result] = [times[i], results[at]];
      if (time && result)
        results[at] = { ...result, error, time, ...speed(operator, contender, time) };
    });
  } finally {
    for (const { contender } of ready) contender.destroy();
  }
  return results;
}

/** Small integers stand beside f16 alone. */
const typesOf = ({ types }: Runner, { quantise }: Operator): readonly ElementType[] =>
  types.filter((type) => !quantise || type === 'f16');

/** A library that takes longer to compile and run an operator once is given up. */
const PREPARE_MS = 40_000;

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function speed(
  operator: Operator,
  { type, flops = NaN }: Contender,
  { ms }: Timed,
): { tflops: number; gigabytes: number } {
  const plain = type === 'f16' ? 2 : 4;
  const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const bytes = Object.values(operator.operands).reduce(
    (sum, { shape, weight }) =>
      sum + size(shape) * (weight ? bytesOfWeight(operator, plain) : plain),
    size(operator.result) * plain,
  );
  return { tflops: (operator.flops ?? flops) / ms / 1e9, gigabytes: bytes / ms / 1e6 };
}

/** Bytes of one value of a weight, its share of a scale counted in. */
const bytesOfWeight = ({ quantise }: Operator, plain: number): number =>
  quantise ? 16 / integersPer16(quantise) + 2 / groupOf(quantise) : plain;

/** Returns the first lines of an error, whatever was thrown. */
export const textOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).slice(0, 300);
