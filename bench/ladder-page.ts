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
  /** Root mean square of the difference from the first rung's latent, as a share of its own. */
  readonly error: number;
};

export type LadderBench = {
  models(): string[];
  describe(model: string, size: LadderSize): { about: string; rungs: RungName[] };
  measure(model: string, size: LadderSize, rung: number): Promise<RungResult>;
};

/** Latents of first rungs, by model and size. */
const baselines = new Map<string, Float32Array>();

function modelOf(name: string): LadderModel {
  const model = ladders.find((ladder) => ladder.name === name);
  if (!model) throw new Error(`no ladder for ${name}`);
  return model;
}

export const ladderBench: LadderBench = {
  models: () => ladders.map(({ name }) => name),
  describe(name, size) {
    const model = modelOf(name);
    const rungs = model.rungs(size);
    const switches = climb(model.base, rungs);
    return {
      about: model.about(size),
      rungs: rungs.map(({ name, aside = false }, i) => ({
        ...{ name, aside },
        switches: switches[i] ?? model.base,
      })),
    };
  },
  async measure(name, size, index) {
    const model = modelOf(name);
    const switches = climb(model.base, model.rungs(size))[index];
    if (!switches) throw new Error(`no rung ${index}`);
    const { values, ...run } = await model.run(navigator.gpu, switches, size);
    const key = `${name} ${size}`;
    if (index === 0) baselines.set(key, values);
    const baseline = baselines.get(key);
    return { ...run, error: baseline ? relativeError(values, baseline) : NaN };
  },
};
