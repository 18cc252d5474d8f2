/** Tensors that live on the device: storage types, padded layout, upload and read-back. */
import { floatsToHalves, unpaddedHalves } from '../weights/convert.ts';
import { EngineError } from './errors.ts';
import type { IntegerType } from './integers.ts';
import { integersPer16, isIntegerType, packIntegers, unpackIntegers } from './integers.ts';
import { GPUUsage } from './usage.ts';

/** Element type in memory. Arithmetic is chosen by the kernel; f16 storage needs no `shader-f16`. */
export type Dtype = 'f32' | 'f16' | 'u32' | IntegerType;

export type Shape = readonly number[];

/**
 * Layout of every tensor: row-major, the last axis padded with zeros to a multiple of four, so that kernels
 * move four values at a time along it. Kernels keep the padding zero. Small integers are padded to 16 bytes.
 */
export const pitchOf = (shape: Shape, dtype: Dtype = 'f32'): number => {
  const unit = isIntegerType(dtype) ? integersPer16(dtype) : 4;
  return Math.ceil((shape.at(-1) ?? 1) / unit) * unit;
};

/** Number of rows: the product of all axes but the last. */
export const rowsOf = (shape: Shape): number => shape.slice(0, -1).reduce((a, b) => a * b, 1);

/** Number of values, padding left out. */
export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** Bytes in memory, padding included. */
export const bytesOf = (shape: Shape, dtype: Dtype): number =>
  rowsOf(shape) * pitchOf(shape, dtype) * bytesPerValue(dtype);

const bytesPerValue = (dtype: Dtype): number =>
  isIntegerType(dtype) ? 16 / integersPer16(dtype) : dtype === 'f16' ? 2 : 4;

/** A tensor in a device buffer, at a byte offset that is a multiple of 256. */
export type DeviceTensor = {
  readonly label: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly buffer: GPUBuffer;
  readonly offset: number;
};

const USAGE = GPUUsage.storage | GPUUsage.copySrc | GPUUsage.copyDst;

/** Returns a zeroed tensor in a buffer of its own. Throws `gpu/limit` when one binding cannot hold it. */
export function createTensor(
  device: GPUDevice,
  label: string,
  shape: Shape,
  dtype: Dtype = 'f32',
): DeviceTensor {
  const bytes = bytesOf(shape, dtype);
  const allowed = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (bytes > allowed) {
    throw new EngineError(
      'gpu/limit',
      `${label} [${shape.join(', ')}] — got ${bytes} bytes, this device binds ${allowed} — use a smaller size`,
      {
        stage: label,
        have: allowed,
        need: bytes,
      },
    );
  }
  return {
    label,
    shape,
    dtype,
    buffer: device.createBuffer({ label, size: Math.max(16, bytes), usage: USAGE }),
    offset: 0,
  };
}

/** Returns the bytes of `values` (row-major, unpadded) in the padded layout of `shape`. */
export function packTensor(
  values: ArrayLike<number>,
  shape: Shape,
  dtype: Dtype,
): Uint8Array<ArrayBuffer> {
  const width = shape.at(-1) ?? 1;
  const rows = rowsOf(shape);
  const pitch = pitchOf(shape, dtype);
  if (values.length !== rows * width) {
    throw new EngineError(
      'gpu/shape',
      `values for [${shape.join(', ')}] — got ${values.length}, needs ${rows * width}`,
    );
  }
  const padded = dtype === 'u32' ? new Uint32Array(rows * pitch) : new Float32Array(rows * pitch);
  if (width === pitch) padded.set(values);
  else
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < width; c++) padded[r * pitch + c] = values[r * width + c] ?? 0;
  if (isIntegerType(dtype)) return packIntegers(padded, dtype);
  if (dtype !== 'f16') return new Uint8Array(padded.buffer);
  return new Uint8Array(floatsToHalves(padded as Float32Array).buffer);
}

/**
 * Returns the values (row-major, unpadded, as f32) held by bytes in the padded layout of `shape`. Those of f32 that needs no
 * padding are a view of the bytes.
 */
export function unpackTensor(bytes: ArrayBuffer, shape: Shape, dtype: Dtype): Float32Array {
  const width = shape.at(-1) ?? 1;
  const pitch = pitchOf(shape, dtype);
  const rows = rowsOf(shape);
  if (dtype === 'f16') return unpaddedHalves(new Uint16Array(bytes, 0, rows * pitch), width, pitch);
  const padded = paddedValues(bytes, dtype);
  if (width === pitch && padded instanceof Float32Array) return padded;
  const values = new Float32Array(rows * width);
  for (let r = 0, to = 0, from = 0; r < rows; r++, from += pitch)
    for (let c = 0; c < width; c++) values[to++] = padded[from + c] ?? 0;
  return values;
}

function paddedValues(
  bytes: ArrayBuffer,
  dtype: Exclude<Dtype, 'f16'>,
): Float32Array | Uint32Array {
  if (isIntegerType(dtype)) return unpackIntegers(bytes, dtype);
  return dtype === 'u32' ? new Uint32Array(bytes) : new Float32Array(bytes);
}

/** Writes unpadded row-major values into the tensor. */
export function writeTensor(
  device: GPUDevice,
  tensor: DeviceTensor,
  values: ArrayLike<number>,
): void {
  const bytes = packTensor(values, tensor.shape, tensor.dtype);
  device.queue.writeBuffer(tensor.buffer, tensor.offset, bytes);
}

/** Resolves to the tensor's values, unpadded, as f32. Waits for all work submitted before. */
export function readTensor(device: GPUDevice, tensor: DeviceTensor): Promise<Float32Array> {
  return readBack(device, tensor, (bytes) => {
    const values = unpackTensor(bytes, tensor.shape, tensor.dtype);
    return values.buffer === bytes ? values.slice() : values;
  });
}

/** Resolves to the tensor's bytes in its padded layout: for pixels, which f32 cannot hold. */
export const readBytes = (device: GPUDevice, tensor: DeviceTensor): Promise<ArrayBuffer> =>
  readBack(device, tensor, (bytes) => bytes.slice(0));

/** Resolves to what `take` makes of the tensor's bytes, which are gone when it returns. */
async function readBack<T>(
  device: GPUDevice,
  tensor: DeviceTensor,
  take: (bytes: ArrayBuffer) => T,
): Promise<T> {
  const size = bytesOf(tensor.shape, tensor.dtype);
  const label = `${tensor.label}/read`;
  const staging = device.createBuffer({ label, size, usage: GPUUsage.mapRead | GPUUsage.copyDst });
  const encoder = device.createCommandEncoder({ label });
  encoder.copyBufferToBuffer(tensor.buffer, tensor.offset, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const taken = take(staging.getMappedRange());
  staging.destroy();
  return taken;
}
