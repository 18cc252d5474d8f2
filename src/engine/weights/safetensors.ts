/** Safetensors files opened over any byte source, and their tensors read in pieces of bounded size. */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { readAhead } from './byte-stream.ts';
import { floatsOfBytes, unitOf, valuesIn } from './dtype.ts';
import { HEADER_LIMITS, PREFIX_BYTES, headerLength, parseHeader } from './safetensors-header.ts';
import type { HeaderLimits, SafetensorsHeader, TensorInfo } from './safetensors-header.ts';

export type { TensorInfo } from './safetensors-header.ts';

/** A file of tensors: its checked table of contents, and its bytes. */
export type WeightFile = Pick<SafetensorsHeader, 'tensors'> & { readonly source: ByteSource };

export type SafetensorsFile = SafetensorsHeader & { readonly source: ByteSource };

/** Most bytes that are held beside the destination while a tensor is read. */
export const CHUNK_BYTES = 16 * 2 ** 20;

/**
 * Returns the checked table of contents of a safetensors file. Throws a code of its own for each rule broken:
 * `weights/` truncated, header-too-large, header-start, utf8, json, too-many-tensors, metadata, name, entry,
 * dtype, shape, offsets, overflow, size-mismatch, hole-or-overlap, trailing-bytes.
 */
export async function openSafetensors(
  source: ByteSource,
  limits: HeaderLimits = HEADER_LIMITS,
): Promise<SafetensorsFile> {
  const prefix = await source.read(0, Math.min(PREFIX_BYTES, source.size));
  const length = headerLength(prefix, source.size, limits);
  const header = await source.read(PREFIX_BYTES, PREFIX_BYTES + length);
  return { ...parseHeader(header, source.size, limits), source };
}

/** Returns the entry of tensor `name`. Throws `weights/missing` when the file has none. */
export function tensorInfo(file: WeightFile, name: string): TensorInfo {
  const info = file.tensors.get(name);
  if (!info) {
    throw new EngineError(
      'weights/missing',
      `tensor "${name}" — got a file of ${file.tensors.size} tensors without it — use the weights of this model`,
    );
  }
  return info;
}

/** Yields the bytes of tensor `name` in order, in pieces of at most `chunkBytes` that split no value and no block. */
export async function* readTensor(
  file: WeightFile,
  name: string,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* readBytes(file, tensorInfo(file, name), chunkBytes);
}

/** Yields the bytes that `info` describes, which may be a part of a tensor, as `readTensor` does. */
export async function* readBytes(
  file: WeightFile,
  { start, end, dtype }: TensorInfo,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  const size = unitOf(dtype).bytes;
  const step = Math.max(size, Math.floor(chunkBytes / size) * size);
  yield* readAhead(file.source, start, end, step);
}

/** Returns the values of tensor `name` as f32, row-major, whatever it is stored as. */
export async function readF32(file: WeightFile, name: string): Promise<Float32Array<ArrayBuffer>> {
  return readValues(file, tensorInfo(file, name));
}

/** Returns the values that `info` describes, which may be a part of a tensor, as `readF32` does. */
export async function readValues(
  file: WeightFile,
  info: TensorInfo,
): Promise<Float32Array<ArrayBuffer>> {
  const values = new Float32Array(valuesIn(info.dtype, info.end - info.start));
  let at = 0;
  for await (const bytes of readBytes(file, info)) {
    const piece = floatsOfBytes(info.dtype, bytes);
    values.set(piece, at);
    at += piece.length;
  }
  return values;
}
