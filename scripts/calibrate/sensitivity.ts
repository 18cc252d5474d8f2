/** Which layers to leave as they are: those whose quantisation costs the output most for the space that it saves. */

export type Layer = {
  readonly key: string;
  /** Values of the matrix. */
  readonly size: number;
  /** ‖output − output of f16‖ / ‖output of f16‖ with this layer alone quantised. */
  readonly error: number;
};

/** Errors of layers that have nothing to do with one another add up like lengths of a right-angled box. */
export const expectedError = (layers: readonly Layer[]): number =>
  Math.sqrt(layers.reduce((sum, { error }) => sum + error ** 2, 0));

/**
 * Returns the layers to keep, most harmful first: by squared error per value, as long as the kept ones hold at most
 * `share` of all values.
 */
export function layersToKeep(layers: readonly Layer[], share: number): Layer[] {
  const budget = share * layers.reduce((sum, { size }) => sum + size, 0);
  const harm = ({ error, size }: Layer): number => error ** 2 / size;
  const kept: Layer[] = [];
  let held = 0;
  for (const layer of layers.toSorted((a, b) => harm(b) - harm(a))) {
    if (held + layer.size > budget) continue;
    kept.push(layer);
    held += layer.size;
  }
  return kept;
}
