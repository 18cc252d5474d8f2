/** Tensor names of tiny autoencoders: released halves with bare numbers, and the class of diffusers. */
import type { Rename } from '../../weights/weight-store.ts';

/** The soft clamp is a layer in released files and none in the class of diffusers. */
const CLAMP_LAYERS = 1;

const HALF = /^(encoder|decoder)\.(\d+)\.(.*)$/;

/** From `encoder.N` and `decoder.N` to what a file that holds one half says: the number alone. */
export const renameHalf: Rename = (name) => HALF.exec(name)?.slice(2).join('.');

/** From `encoder.N` and `decoder.N` to diffusers' `AutoencoderTiny`. */
export const renameTiny: Rename = (name) => {
  const [, half, number, rest] = HALF.exec(name) ?? [];
  if (half === undefined) return undefined;
  const layer = Number(number) - (half === 'decoder' ? CLAMP_LAYERS : 0);
  return `${half}.layers.${layer}.${rest}`;
};

/** What sizes are read from: a WeightStore. */
export type Checkpoint = {
  has(name: string): boolean;
  info(name: string): { readonly shape: readonly number[] };
};

/** Returns the length of axis `axis` of a tensor. Throws `weights/missing`. */
export const lengthOf = (store: Checkpoint, name: string, axis: number): number =>
  store.info(name).shape[axis] ?? 1;
