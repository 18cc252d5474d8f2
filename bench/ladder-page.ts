/** The page's part for ladders: one rung measured at a call, so that the driver sees them come in. */
import { ladders } from './ladder/index.ts';
import type { LadderModel, LadderRun, LadderSize, Switches } from './ladder/ladder.ts';
import { climb, relativeError } from './ladder/ladder.ts';

export type RungName = {
  readonly name: string;
  readonly aside: boolean;
  readonly switches: Switches;
};

export type RungResult = Omit<LadderRun, 'values'> & {
  /**
   * Root mean square of the difference from the first rung's latent, as a share of its own; none where more steps were
   * run, which end elsewhere.
   */
  readonly error?: number;
};

/** Which ladder: a model's, at a size, over a number of steps. */
export type LadderChoice = {
  readonly model: string;
  readonly size: LadderSize;
  readonly steps: number;
};

export type LadderBench = {
  models(): string[];
  describe(ladder: LadderChoice): { about: string; rungs: RungName[] };
  measure(ladder: LadderChoice, rung: number): Promise<RungResult>;
  /** The first rung's latent, and how a page that takes the place of a lost one gets it back. */
  baseline(): number[];
  restore(values: readonly number[]): void;
};

let baseline = new Float32Array();

function modelOf(name: string): LadderModel {
  const model = ladders.find((ladder) => ladder.name === name);
  if (!model) throw new Error(`no ladder for ${name}`);
  return model;
}

export const ladderBench: LadderBench = {
  models: () => ladders.map(({ name }) => name),
  describe({ model: name, size, steps }) {
    const model = modelOf(name);
    const rungs = model.rungs(steps);
    const switches = climb(model.base(steps), rungs);
    return {
      about: model.about(size, steps),
      rungs: rungs.map(({ name, aside = false }, i) => ({
        ...{ name, aside },
        switches: switches[i] ?? model.base(steps),
      })),
    };
  },
  async measure({ model: name, size, steps }, index) {
    const model = modelOf(name);
    const switches = climb(model.base(steps), model.rungs(steps))[index];
    if (!switches) throw new Error(`no rung ${index}`);
    const { values, ...run } = await model.run(navigator.gpu, switches, size);
    if (index === 0) baseline = new Float32Array(values);
    if (switches.steps > model.base(steps).steps) return run;
    return { ...run, error: relativeError(values, baseline) };
  },
  baseline: () => [...baseline],
  restore(values) {
    baseline = Float32Array.from(values);
  },
};
