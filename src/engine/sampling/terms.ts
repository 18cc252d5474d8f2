/**
 * Linear combinations of a sampler's state. Every solver here is linear in its tensors, so a step is worked
 * out once on the CPU, in f64, as three short rows of coefficients; what runs on the tensors holds no logic.
 */

/**
 * Coefficients of the five tensors that a step reads: the sample `x`, the velocity `v` that the model returned
 * for it, the data predictions one and two steps back (`m1`, `m2`), and `xbar`, the corrected sample that the
 * previous predictor started from.
 */
export type Terms = {
  readonly x: number;
  readonly v: number;
  readonly m1: number;
  readonly m2: number;
  readonly xbar: number;
};

/** One step of a sampler; all three rows read the same five inputs, before any of them is overwritten. */
export type SamplerStep = {
  readonly sigma: number;
  /** What the network is told, 0…1000. */
  readonly timestep: number;
  /** The data prediction x − σ·v: becomes `m1` of the next step, whose `m2` is this step's `m1`. */
  readonly m: Terms;
  /** Becomes `xbar` of the next step. */
  readonly xbar: Terms;
  /** Becomes `x` of the next step, or the result. */
  readonly next: Terms;
};

const NONE: Terms = { x: 0, v: 0, m1: 0, m2: 0, xbar: 0 };

/** Returns the combination with the given coefficients and zeros elsewhere. */
export const terms = (some: Partial<Terms>): Terms => ({ ...NONE, ...some });

/** Returns `factor · a`. */
export const times = (factor: number, a: Terms): Terms => ({
  x: factor * a.x,
  v: factor * a.v,
  m1: factor * a.m1,
  m2: factor * a.m2,
  xbar: factor * a.xbar,
});

/** Returns the sum of all `parts`. */
export const sum = (...parts: readonly Terms[]): Terms =>
  parts.reduce(
    (a, b) => ({
      x: a.x + b.x,
      v: a.v + b.v,
      m1: a.m1 + b.m1,
      m2: a.m2 + b.m2,
      xbar: a.xbar + b.xbar,
    }),
    NONE,
  );
