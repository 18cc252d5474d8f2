/** Writes safetensors files: settings and weights of tests. */
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { bytesOfDtype } from '../../src/engine/weights/dtype.ts';
import type { WeightDtype } from '../../src/engine/weights/dtype.ts';
import { PREFIX_BYTES } from '../../src/engine/weights/safetensors-header.ts';

export type TensorToWrite = {
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  /** The values in the tensor's own dtype, row-major, little-endian. */
  readonly data: ArrayBufferView;
};

/**
 * Returns the bytes of a safetensors file with `tensors` in the order given; wide element types come first, as
 * the reference writer does, so that every tensor starts at a multiple of its element size.
 * Throws `weights/size-mismatch` when data and shape disagree.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, TensorToWrite]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...tensors].sort(
    ([, a], [, b]) => bytesOfDtype(b.dtype) - bytesOfDtype(a.dtype),
  );
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set('__metadata__', metadata);
  let dataBytes = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const need = shape.reduce((a, b) => a * b, bytesOfDtype(dtype));
    if (data.byteLength !== need) {
      throw new EngineError(
        'weights/size-mismatch',
        `"${name}" [${shape.join(', ')}] ${dtype} — got ${data.byteLength} bytes, needs ${need} — pass all values`,
        { have: data.byteLength, need },
      );
    }
    const data_offsets = [dataBytes, dataBytes + need];
    header.set(name, { dtype, shape, data_offsets });
    dataBytes += need;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.byteLength / 8) * 8;
  const file = new Uint8Array(PREFIX_BYTES + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, PREFIX_BYTES);
  file.fill(0x20, PREFIX_BYTES + json.byteLength, PREFIX_BYTES + headerBytes);
  let at = PREFIX_BYTES + headerBytes;
  for (const [, { data }] of ordered) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}
