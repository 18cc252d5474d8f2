/** What the autoencoder's encoder says of a picture: a Gaussian for each latent value. */

export type Posterior = {
  readonly mean: Float32Array;
  /** Kept between −30 and 20. */
  readonly logvar: Float32Array;
  /** Returns mean + deviation · noise. */
  sample(noise: ArrayLike<number>): Float32Array;
};

/** Returns the halves of moments [..., 2 z] as values [..., z]. */
export function posterior(moments: Float32Array, z: number): Posterior {
  const half = (first: number): Float32Array =>
    Float32Array.from(
      { length: moments.length / 2 },
      (_, i) => moments[Math.floor(i / z) * 2 * z + first + (i % z)] ?? NaN,
    );
  const mean = half(0);
  const logvar = half(z).map((value) => Math.min(20, Math.max(-30, value)));
  return {
    mean,
    logvar,
    sample: (noise) =>
      mean.map((value, i) => value + Math.exp((logvar[i] ?? 0) / 2) * (noise[i] ?? NaN)),
  };
}
