/** Names under which timings are kept: the adapter, and the kind and size of a call. */
import type { Gpu } from '../gpu/device.ts';
import type { Dtype } from '../gpu/tensor.ts';
import type { Dispatch, Situation } from '../kernels/kernel.ts';

/** Raised when kernels change so much that old timings say nothing. */
const TUNING_VERSION = 1;

/** Returns the name of an adapter and of what is used of it. */
export function adapterKey({ info, caps }: Pick<Gpu, 'info' | 'caps'>): string {
  const { vendor, architecture, device, description } = info;
  const used = [
    caps.f16 && 'f16',
    caps.subgroups && `subgroups ${caps.subgroupSize.min}-${caps.subgroupSize.max}`,
    ...caps.subgroupMatrix.map((m) => `${m.component}-${m.result} ${m.M}x${m.N}x${m.K}`),
  ];
  return [`v${TUNING_VERSION}`, vendor, architecture, device, description, ...used]
    .filter(Boolean)
    .join(' | ');
}

/** Returns the name of a call's kind and size: sizes of one bucket behave alike. */
export function callKey(
  { kernel }: Dispatch<{ readonly dtype: Dtype }>,
  { dims, arithmetic, dtypes }: Situation,
): string {
  const names =
    kernel.tuneBy ?? Object.keys(kernel.uniforms).filter((n) => kernel.uniforms[n] === 'u32');
  const sizes = names.map((name) => `${name}${bucketOf(dims[name] ?? 0)}`);
  // What rides on a kernel decides little: only what every call binds is named.
  const types = Object.entries(dtypes).flatMap(([name, dtype]) =>
    dtype && kernel.tensors[name]?.optional !== true ? [`${name}:${dtype}`] : [],
  );
  return `${kernel.name} ${arithmetic} ${sizes.join(' ')} ${types.join(' ')}`;
}

/** Returns small sizes as they are, larger ones rounded up to a power of two or one and a half of it. */
export function bucketOf(size: number): number {
  if (size <= 32) return size;
  const power = 2 ** Math.ceil(Math.log2(size));
  return size <= 0.75 * power ? 0.75 * power : power;
}
