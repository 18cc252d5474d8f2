/** What a recording asks of whoever knows which variant of a kernel is fastest here; see engine/tuning. */
import type { Dispatch, Situation } from './kernel.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { tunings } from './case.ts';
import type { Variant } from './declare.ts';
import type { Choice } from './select.ts';
import { selectVariant, variantOf } from './select.ts';

type Typed = { readonly dtype: Dtype };

/** One call that is about to be recorded. */
export type TunableCall = {
  readonly dispatch: Dispatch<Typed>;
  readonly situation: Situation;
  /** What the call binds, in the order of the descriptor; undefined where running it would change what must stay. */
  readonly bindings: readonly GPUBufferBinding[] | undefined;
};

export type Tuning = {
  /** Returns the recorded choice for a call, if there is one. */
  choiceFor(dispatch: Dispatch<Typed>, situation: Situation): Choice | undefined;
  /** Times the calls that nothing is known of, each once for its kind and size, as far as the budget goes. */
  learn(calls: readonly TunableCall[]): Promise<void>;
  /** Grants the whole budget again: for the next model. */
  refill(): void;
};

export type Candidate = { readonly variant: Variant; readonly choice: Choice };

/** Returns the ways to run a call, the default first, no two alike. */
export function candidatesOf(dispatch: Dispatch<Typed>, situation: Situation): Candidate[] {
  const first = selectVariant(dispatch, situation);
  const all = [...(dispatch.variants ?? []), dispatch.kernel].flatMap((kernel) =>
    tunings(kernel, situation, dispatch.values).map((values) =>
      variantOf(kernel, values, situation),
    ),
  );
  const distinct = new Map(
    [first, ...all].map((variant) => [JSON.stringify(choiceOf(variant)), variant]),
  );
  return [...distinct.values()].map((variant) => ({ variant, choice: choiceOf(variant) }));
}

const choiceOf = ({ kernel, values }: Variant): Choice => ({
  kernel: kernel.name,
  values: Object.fromEntries(Object.keys(kernel.tune).map((name) => [name, values[name] ?? 0])),
});
