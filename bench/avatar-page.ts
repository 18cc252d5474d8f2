/** The page's part for a picture that speaks: one row of its table measured at a call. */
import type { AvatarResult, AvatarRow } from './avatar/row.ts';
import { measureAvatar } from './avatar/row.ts';

export type AvatarBench = {
  rows(tiny: boolean): (AvatarRow & { readonly name: string })[];
  measure(row: AvatarRow): Promise<AvatarResult>;
};

const SIZES = [
  [384, 256],
  [688, 368],
] as const;
const STEPS = [3, 4, 5, 6];
const STORAGE = [
  { weights: 'int4', kv: 'int8' },
  { weights: 'int4', kv: 'float' },
  { weights: 'f16', kv: 'int8' },
  { weights: 'f16', kv: 'float' },
] as const;

export const avatarBench: AvatarBench = {
  rows(tiny) {
    const sizes = tiny ? [[64, 64] as const] : SIZES;
    const rows = sizes.flatMap((size) =>
      STORAGE.flatMap((kinds) => STEPS.map((steps) => ({ size, ...kinds, steps, tiny }))),
    );
    return rows.map((row) => ({ ...row, name: nameOf(row) }));
  },
  measure: (row) => measureAvatar(navigator.gpu, row),
};

const nameOf = ({ size, weights, kv, steps }: AvatarRow): string =>
  `${size.join('x')} ${weights} ${kv} ${steps}`;
