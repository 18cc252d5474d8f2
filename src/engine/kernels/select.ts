/** Chooses the kernel of a call among its variants, and the values that it is compiled with. */
import type { Capabilities } from '../gpu/device.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { boundTensors } from './declare.ts';
import type { Variant } from './declare.ts';
import type { Dispatch, Kernel, ShaderFeature, Situation, Values } from './kernel.ts';
import { resolveValues } from './kernel.ts';

/** A kernel and the tuned values to take in place of its own choice, e.g. from a record of timings. */
export type Choice = { readonly kernel: string; readonly values: Values };

type Typed = { readonly dtype: Dtype };

/** Returns the situation of a call; f16 arithmetic needs `half`, the device, and a first tensor stored as f16. */
export function situationOf(
  { kernel, tensors, dims, over }: Dispatch<Typed>,
  caps: Capabilities,
  half: boolean,
): Situation {
  const dtypes = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tensor?.dtype]),
  );
  const [first] = boundTensors(kernel, dtypes);
  const arithmetic = half && caps.f16 && first?.dtype === 'f16' ? 'f16' : 'f32';
  return { caps, dims, arithmetic, dtypes, over };
}

/**
 * Returns the variant of a call: the one that `choice` names if it still fits, else the first of the call's variants
 * that suits with its default values, else the kernel that runs everywhere.
 */
export function selectVariant(
  dispatch: Dispatch<Typed>,
  situation: Situation,
  choice?: Choice,
): Variant {
  const all = [...(dispatch.variants ?? []), dispatch.kernel];
  const named = choice && all.find(({ name }) => name === choice.kernel);
  if (named && choice) {
    const values = resolveValues(named, situation, { ...choice.values, ...dispatch.values });
    if (suits(named, values, situation)) return variantOf(named, values, situation);
  }
  const found = all.find((kernel) =>
    suits(kernel, resolveValues(kernel, situation, dispatch.values), situation),
  );
  const kernel = found ?? dispatch.kernel;
  return variantOf(kernel, resolveValues(kernel, situation, dispatch.values), situation);
}

/** Whether the device has what the kernel is written with, and the kernel accepts the values there. */
export function suits(kernel: Kernel, values: Values, situation: Situation): boolean {
  return (
    (kernel.features ?? []).every((feature) => HAS[feature](situation.caps)) &&
    (kernel.suits?.(values, situation) ?? true)
  );
}

const HAS: Readonly<Record<ShaderFeature, (caps: Capabilities) => boolean>> = {
  subgroups: ({ subgroups }) => subgroups,
  'subgroup-matrix': ({ subgroupMatrix }) => subgroupMatrix.length > 0,
};

/** Returns a kernel with values for a situation; it binds what the call gives, in the way that this kernel wants it. */
export const variantOf = (kernel: Kernel, values: Values, situation: Situation): Variant => ({
  kernel,
  bound: boundTensors(kernel, situation.dtypes, situation.over),
  arithmetic: situation.arithmetic,
  values,
});
