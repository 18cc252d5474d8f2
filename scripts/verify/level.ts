/** How exactly networks are run, from the name that the command line gives it. */
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import type { WeightPolicy } from '../../src/engine/graph/graph.ts';
import { usualPolicy, withIntegerProducts } from '../../src/engine/weights/policy.ts';
import type { CaseContext, Level } from './case.ts';

/** How weight matrices are stored at the levels that quantise them. */
const INTEGERS: Readonly<Record<Level, IntegerType | undefined>> = {
  f32: undefined,
  f16: undefined,
  int8: 'i8',
  int4: 'i4',
};

/**
 * Returns what a level means for a case: activations of the quantised levels are f16, and which matrices are quantised
 * says `policy` or else the usual one; with `integers` the layers multiply integers.
 */
export function runAt(
  level: Level,
  integers: boolean,
  policy?: WeightPolicy,
): Pick<CaseContext, 'level' | 'precision' | 'quantise'> {
  const type = INTEGERS[level];
  const chosen = type && (policy ?? usualPolicy(type));
  return {
    level,
    precision: level === 'f32' ? 'f32' : 'f16',
    quantise: chosen && integers ? withIntegerProducts(chosen) : chosen,
  };
}
