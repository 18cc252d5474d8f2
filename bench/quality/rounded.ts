/** Weights rounded as storing them in small integers rounds them, to measure what that does to a model. */
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import { dequantiseValues, quantiseValues } from '../../src/engine/kernels/quantisation.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from '../../src/engine/weights/safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';

/** Returns a matrix [rows, width] as it comes back from integers of type `dtype` and their f16 scales. */
export const rounded = (values: Float32Array, width: number, dtype: IntegerType): Float32Array =>
  dequantiseValues(quantiseValues(values, width, dtype), width, dtype);

/**
 * Resolves to a file in f32 with the matrices whose names match `which` rounded; matrices that `file` itself holds as 8-bit
 * integers are turned back into numbers first.
 */
export async function withRounded(
  file: ByteSource,
  which: RegExp,
  dtype: IntegerType,
): Promise<ByteSource> {
  const store = await WeightStore.open([file]);
  const tensors = await Promise.all(
    store.names().map(async (name) => {
      const { shape } = store.info(name);
      const values = await store.read(name);
      const isMatrix = shape.length === 2 && which.test(name);
      const data = isMatrix ? rounded(values, shape[1] ?? 1, dtype) : values;
      return [name, { dtype: 'F32', shape, data }] as const;
    }),
  );
  return bytesSource(writeSafetensors(tensors));
}
