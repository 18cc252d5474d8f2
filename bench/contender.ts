/** One library about to run one operator: ready on the device, its result readable, its runs timed by `race`. */
import { unpackTensor } from '../src/engine/gpu/tensor.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';
import type { Layout, Operator } from './operators/operator.ts';
import { indexOf } from './operators/operator.ts';

export type ElementType = 'f32' | 'f16';

export type Contender = {
  readonly library: string;
  readonly type: ElementType;
  /** Kernels that the engine chose, and their work. */
  readonly kernels?: readonly string[];
  readonly flops?: number;
  /** Runs the operator `repeats` times and resolves when the device is done with the last. */
  run(repeats: number): Promise<void>;
  /** Resolves to values of the result, after at least one run, at places of its logical shape. */
  read(places: readonly (readonly number[])[]): Promise<number[]>;
  destroy(): void;
};

/** Where a value lies in the memory of a tensor, by elements; nothing is padded. */
export function elementAt(
  place: readonly number[],
  shape: readonly number[],
  { order }: Layout,
): number {
  const pick = (values: readonly number[]): number[] => order.map((axis) => values[axis] ?? 0);
  return indexOf(pick(shape), pick(place));
}

/** Resolves to single elements of a buffer. */
export async function readElements(
  device: GPUDevice,
  { buffer, offset }: { readonly buffer: GPUBuffer; readonly offset: number },
  elements: readonly number[],
  type: ElementType,
): Promise<number[]> {
  const bytes = type === 'f16' ? 2 : 4;
  const size = Math.max(4, 4 * elements.length);
  const staging = device.createBuffer({ size, usage: GPUUsage.mapRead | GPUUsage.copyDst });
  const encoder = device.createCommandEncoder();
  elements.forEach((element, i) => {
    const at = Math.floor((offset + element * bytes) / 4) * 4;
    encoder.copyBufferToBuffer(buffer, at, staging, 4 * i, 4);
  });
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const words = staging.getMappedRange().slice(0);
  staging.destroy();
  const values = unpackTensor(words, [words.byteLength / bytes], type);
  return elements.map((element, i) =>
    Number(type === 'f16' ? values[2 * i + (element & 1)] : values[i]),
  );
}

/** Places that are looked at: the corners of the result and some in between. */
const PLACES = 40;
/** Work that a processor does on them in a second or two. */
const REFERENCE_FLOPS = 1e8;

/** Largest allowed error of a value, as a share of the root mean square of all that are looked at. */
export const ALLOWED = { f32: 1e-3, f16: 5e-2 } as const;

/** The formula's values at some places of an operator's result. */
export type Reference = {
  readonly places: readonly (readonly number[])[];
  readonly values: readonly number[];
};

/** Resolves to the reference of an operator, fewer places where each takes long; `measured` gives it where no formula does. */
export async function referenceFor(
  operator: Operator,
  measured: Contender['read'],
): Promise<Reference> {
  const { result, flops = 0 } = operator;
  const size = result.reduce((a, b) => a * b, 1);
  const each = operator.referenceFlops ?? flops / size;
  const count = Math.max(4, Math.min(PLACES, Math.floor(REFERENCE_FLOPS / each)));
  const places = Array.from({ length: count }, (_, i) =>
    result.map((length, axis) =>
      i === 0 ? 0 : i === 1 ? length - 1 : Math.imul(i * 7919 + axis * 104_729, 40_503) % length,
    ),
  ).map((place) => place.map((at, axis) => (at + (result[axis] ?? 1)) % (result[axis] ?? 1)));
  const values = operator.expected
    ? places.map((place) => operator.expected?.(place) ?? NaN)
    : await measured(places);
  return { places, values };
}

/** Returns the worst error as a share of the root mean square. Throws when it is too large. */
export function checkResult(
  got: readonly number[],
  { values, places }: Reference,
  allowed: number,
): number {
  const rms = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  const errors = values.map((want, i) => Math.abs((got[i] ?? NaN) - want) / rms);
  const worst = errors.findIndex((e) => !(e <= allowed));
  if (worst >= 0) {
    throw new Error(
      `wrong: at [${places[worst]?.join(', ')}] got ${got[worst]}, want ${values[worst]}`,
    );
  }
  return Math.max(...errors);
}
