/**
 * Shape of kernels that read and write every value once, whatever they do with it: how many groups of four values an
 * invocation takes at a time (QUADS), how often (ITEMS), and how many invocations a workgroup has (LANES).
 */
import type { Capabilities } from '../gpu/device.ts';
import { fitsQuads, quadsFor } from './declare-quads.ts';
import type { Arithmetic, Dims, Grid, Values } from './kernel.ts';

/** On a processor a workgroup is a loop, and what is asked for early is only kept longer. */
export const ONE_BY_ONE: Values = { LANES: 64, ITEMS: 1, QUADS: 1 };

export const STREAM_TUNE = { LANES: [256, 64], ITEMS: [2, 1, 4], QUADS: [2, 1] } as const;

/** Values for rows of C. */
export const streamValues = (
  dims: Dims,
  { software }: Capabilities,
  arithmetic: Arithmetic,
): Values => (software ? ONE_BY_ONE : quadsFor(dims, arithmetic));

/** Whether the values can run and are not worse for sure: on graphics cards, small workgroups of little work are. */
export const streamSuits = (values: Values, dims: Dims, { software }: Capabilities): boolean =>
  fitsQuads(values, dims) &&
  (values['LANES'] === 64
    ? values['ITEMS'] === 1 && values['QUADS'] === 1
    : !software || values['ITEMS'] !== 4);

/** Grid that covers so many groups of four values. */
export const streamGrid = (groups: number, { LANES, ITEMS, QUADS }: Values): Grid => [
  Math.ceil(groups / (Number(LANES) * Number(ITEMS) * Number(QUADS))),
  1,
  1,
];
