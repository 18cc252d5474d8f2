/** What a ladder is: the engine's levers as switches, and rungs that set one after another. */
import type { Precision, WeightPolicy } from '../../src/engine/graph/graph.ts';
import { withIntegerProducts } from '../../src/engine/weights/policy.ts';

export type Switches = {
  readonly precision: Precision;
  /** All scores of a head in memory, or one fused kernel. */
  readonly attention: 'plain' | 'fused';
  /** Passes over the graph: riders, stacked projections, shared results. */
  readonly fusion: boolean;
  /** One recording for all steps, or memory, bindings and uniforms made anew in each. */
  readonly replay: boolean;
  /** Weights, recordings and shaders stay for the next clip, or are brought and bound anew for each. */
  readonly resident: boolean;
  /** Keys and values of the text made once a clip, or in each step. */
  readonly context: 'each step' | 'kept';
  /** Text padded to the model's length, or cut to its own with one row that stands for the padding: exact. */
  readonly text: 'padded' | 'cut';
  /** Products through subgroup matrices where the device has them. */
  readonly matrix: boolean;
  /** Variants of kernels timed on the device, before the time that counts. */
  readonly tuned: boolean;
  /** Storage of the blocks' weight matrices; `w8a8` is i8 with rows of i8 and products of integers. */
  readonly weights: 'as computed' | 'i8' | 'w8a8' | 'i4';
  readonly steps: number;
  /** How many of the steps are run, where the others are counted as if they took as long. */
  readonly timed?: number;
  /** The velocity is used again while the noise level has moved by less than this since it was computed. */
  readonly reuseWithin: number;
};

export type Rung = {
  readonly name: string;
  readonly change: Partial<Switches>;
  /** Measured beside the ladder: the next rung goes on without it. */
  readonly aside?: boolean;
};

/** What a run of a model under some switches gave. */
export type LadderRun = {
  /** From the text's rows to the clean latent; weights, shaders and what is replayed stand ready before. */
  readonly seconds: number;
  readonly peakBytes: number;
  readonly weightBytes: number;
  /** Dispatches of a step that runs the network. */
  readonly dispatches: number;
  /** Steps that ran the network. */
  readonly computed: number;
  readonly values: Float32Array;
};

export type LadderSize = 'full' | 'tiny';

export type LadderModel = {
  readonly name: string;
  /** One sentence for the page that the figures go to. */
  about(size: LadderSize, steps: number): string;
  /** Every lever off; `steps` is how many are run. */
  base(steps: number): Switches;
  rungs(steps: number): readonly Rung[];
  /** Opens a device of its own on `entry`, so that a rung starts with nothing left of the one before. */
  run(entry: GPU, switches: Switches, size: LadderSize): Promise<LadderRun>;
};

/** Returns the policy that a rung's weights stand for, to be narrowed to a model's blocks. */
export function ladderPolicy({ weights }: Switches): WeightPolicy | undefined {
  if (weights === 'as computed') return undefined;
  return weights === 'w8a8' ? withIntegerProducts(() => 'i8') : () => weights;
}

/** Returns the switches of every rung, the ones before it included. */
export function climb(base: Switches, rungs: readonly Rung[]): Switches[] {
  let kept = base;
  return rungs.map(({ change, aside }) => {
    const here = { ...kept, ...change };
    if (!aside) kept = here;
    return here;
  });
}

/** Returns the root mean square of a − b as a share of that of b; NaN where lengths differ. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return NaN;
  let [difference, size] = [0, 0];
  a.forEach((value, i) => {
    difference += (value - (b[i] ?? NaN)) ** 2;
    size += (b[i] ?? NaN) ** 2;
  });
  return Math.sqrt(difference / size);
}
