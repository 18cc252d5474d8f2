/** The page's part for clips of the 3-D UNets: one row of their table measured at a call. */
import type { ClipResult, ClipRow } from './clips/row.ts';
import { CLIP_STEPS, measureClip } from './clips/row.ts';

export type ClipBench = {
  /** `steps`: how many are run and timed; few where left out, fewer in f32. */
  rows(tiny: boolean, steps: number | undefined): (ClipRow & { readonly name: string })[];
  measure(row: ClipRow): Promise<ClipResult>;
  /** Steps of a clip. */
  readonly clipSteps: number;
};

const FEW = { f16: 5, f32: 3 } as const;

const KINDS = [
  { precision: 'f16', weights: 'as computed' },
  { precision: 'f16', weights: 'i8' },
  { precision: 'f16', weights: 'i4' },
  { precision: 'f32', weights: 'as computed' },
] as const;

export const clipBench: ClipBench = {
  clipSteps: CLIP_STEPS,
  rows(tiny, steps) {
    const variants = tiny ? (['512'] as const) : (['512', '1024'] as const);
    return variants.flatMap((variant) =>
      KINDS.map((kind) => {
        const row = { variant, ...kind, steps: steps ?? FEW[kind.precision], tiny };
        return { ...row, name: nameOf(row) };
      }),
    );
  },
  measure: (row) => measureClip(navigator.gpu, row),
};

function nameOf({ variant, precision, weights, tiny }: ClipRow): string {
  const stored = weights === 'as computed' ? precision : `int${weights.slice(1)}`;
  return `${tiny ? 'tiny' : variant} ${stored}`;
}
