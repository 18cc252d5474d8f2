/** Runs of a kernel's cases, as tests, bench and lab share them: tiers, inputs, and the comparison with the reference. */
import type { Capabilities } from '../gpu/device.ts';
import { isIntegerType } from '../gpu/integers.ts';
import { packTensor, sizeOf, unpackTensor } from '../gpu/tensor.ts';
import type { Dtype } from '../gpu/tensor.ts';
import type {
  Arithmetic,
  Arrays,
  Case,
  Kernel,
  Situation,
  TensorRole,
  Tolerance,
  Values,
} from './kernel.ts';
import { resolveValues } from './kernel.ts';
import { suits } from './select.ts';

export type Tier = {
  readonly name: string;
  readonly storage: Dtype;
  readonly arithmetic: Arithmetic;
};

/** Returns the tiers that a device can run: plain f32, f16 storage with f32 arithmetic, f16 storage and arithmetic. */
export function tiersOf(caps: Capabilities): Tier[] {
  const tiers: Tier[] = [
    { name: 'f32', storage: 'f32', arithmetic: 'f32' },
    { name: 'f32 over f16', storage: 'f16', arithmetic: 'f32' },
  ];
  return caps.f16 ? [...tiers, { name: 'f16', storage: 'f16', arithmetic: 'f16' }] : tiers;
}

/** Returns the tensors of a case with how they are stored, in binding order; those that it leaves out are not there. */
export function caseTensors(
  { tensors }: Kernel,
  test: Case,
  tier: Tier,
): { readonly name: string; readonly role: TensorRole; readonly dtype: Dtype }[] {
  const storage = (name: string): Dtype =>
    test.stored?.[name] ?? tensors[name]?.dtype ?? tier.storage;
  return Object.entries(tensors).flatMap(([name, { role, scalesOf }]) => {
    const idle = scalesOf !== undefined && !isIntegerType(storage(scalesOf));
    return idle || test.absent?.includes(name) ? [] : [{ name, role, dtype: storage(name) }];
  });
}

/** Returns the situation of a case on a device. */
export function caseSituation(
  kernel: Kernel,
  test: Case,
  tier: Tier,
  caps: Capabilities,
): Situation {
  const dtypes = Object.fromEntries(
    caseTensors(kernel, test, tier).map(({ name, dtype }) => [name, dtype]),
  );
  return { caps, dims: test.dims, arithmetic: tier.arithmetic, dtypes, over: test.over };
}

/** Returns every combination of the tunable values that can run in a situation, complete with all other values. */
export function tunings(kernel: Kernel, situation: Situation, own: Values = {}): Values[] {
  const all = Object.entries(kernel.tune).reduce<Values[]>(
    (found, [name, choices]) =>
      found.flatMap((values) => choices.map((choice) => ({ ...values, [name]: choice }))),
    [{}],
  );
  const complete = all.map((tuned) => resolveValues(kernel, situation, { ...tuned, ...own }));
  const distinct = new Map(complete.map((values) => [JSON.stringify(values), values]));
  return [...distinct.values()].filter((values) => suits(kernel, values, situation));
}

/** Returns a value in -1..1 that looks random and depends on `name` and `i` alone. */
export function seeded(name: string, i: number): number {
  let h = (i + 1) * 0x9e3779b1;
  for (const c of name) h = Math.imul(h ^ c.charCodeAt(0), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 31 - 1;
}

/** Returns the inputs of a case, rounded to what the tier stores. */
export function caseInputs(kernel: Kernel, test: Case, tier: Tier): Arrays {
  const shapes = kernel.shapes(test.dims);
  return Object.fromEntries(
    caseTensors(kernel, test, tier).flatMap(({ name, role, dtype }) => {
      const shape = shapes[name];
      if (role === 'out' || !shape) return [];
      const fill = test.fill ?? seeded;
      const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => fill(name, i));
      const stored = unpackTensor(packTensor(values, shape, dtype).buffer, shape, dtype);
      return [[name, stored] as const];
    }),
  );
}

/** Returns '' when all values agree, else how many differ and the worst of them. Not-a-number never agrees. */
export function compare(got: Float32Array, want: Float32Array, { abs, rel }: Tolerance): string {
  if (got.length !== want.length) return `${got.length} values, want ${want.length}`;
  let wrong = 0;
  let worst = -1;
  let worstBy = 0;
  want.forEach((value, i) => {
    const by = Math.abs((got[i] ?? NaN) - value) / (abs + rel * Math.abs(value));
    if (by <= 1) return;
    wrong++;
    if (worst < 0 || Number.isNaN(by) || by > worstBy) [worst, worstBy] = [i, by];
  });
  if (wrong === 0) return '';
  return `${wrong} of ${want.length} differ, worst at ${worst}: got ${got[worst]}, want ${want[worst]}`;
}
