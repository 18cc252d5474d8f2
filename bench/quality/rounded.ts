/** Weights rounded as storing them in small integers rounds them, to measure what that does to a model. */
import type { IntegerType } from '../../src/engine/gpu/integers.ts';
import { groupOf, rangeOf } from '../../src/engine/gpu/integers.ts';
import { floatsToHalves, halvesToFloats } from '../../src/engine/weights/convert.ts';
import { writeSafetensors } from '../../src/engine/weights/safetensors-writer.ts';
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';

/** Returns a matrix [rows, width] as it comes back from integers of type `dtype` and their f16 scales. */
export function rounded(values: Float32Array, width: number, dtype: IntegerType): Float32Array {
  const group = Math.min(width, groupOf(dtype));
  const range = rangeOf(dtype);
  const back = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += width) {
    for (let first = row; first < row + width; first += group) {
      const end = Math.min(row + width, first + group);
      let largest = 0;
      for (let i = first; i < end; i++) {
        const value = values[i] ?? 0;
        if (Math.abs(value) > Math.abs(largest)) largest = value;
      }
      const [scale = 0] = halvesToFloats(floatsToHalves(Float32Array.of(-largest)));
      for (let i = first; i < end && scale !== 0; i++) {
        const q = Math.round(((values[i] ?? 0) * range) / scale);
        back[i] = (Math.max(-range, Math.min(range - 1, q)) * scale) / range;
      }
    }
  }
  return back;
}

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
