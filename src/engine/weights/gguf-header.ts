/**
 * The header of a GGUF file (versions 2 and 3), checked as strictly as that of a safetensors file.
 *
 *   "GGUF" · u32 version · u64 tensors · u64 entries · entries · tensor infos · padding · data
 *   entry  string key · u32 type · value          info  string name · u32 rank · u64 axes[] · u32 type · u64 offset
 *
 * A string is a u64 length and bytes. Axes are listed fastest first, so shapes are turned round here. Offsets count
 * from the start of the data and are multiples of `general.alignment` (32 unless told); gaps are padding only.
 */
import { EngineError } from '../gpu/errors.ts';
import { unitOf } from './dtype.ts';
import type { StoredDtype } from './dtype.ts';
import { GgufReader, refuse } from './gguf-reader.ts';
import type { GgufValue } from './gguf-reader.ts';
import { HEADER_LIMITS } from './safetensors-header.ts';
import type { HeaderLimits, TensorInfo } from './safetensors-header.ts';

export type GgufHeader = {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, GgufValue>;
};

/** GGML's numbers of the types that are read here. */
const TYPES: ReadonlyMap<number, StoredDtype> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [8, 'Q8_0'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [30, 'BF16'],
]);

const MAGIC = 0x46554747;
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 1 << 16;
/** Shapes with more axes than GGML has, as ComfyUI's converter notes them. */
const SHAPE_KEY = 'comfy.gguf.orig_shape.';

/**
 * Returns the table of contents from the first bytes of a file of `fileBytes` bytes; undefined when they are not
 * enough. Throws `weights/` gguf-magic, gguf-version, header-too-large, too-many-tensors, name, utf8, entry, dtype,
 * shape, offsets, overflow, hole-or-overlap, truncated.
 */
export function parseGguf(
  bytes: Uint8Array,
  fileBytes: number,
  limits: HeaderLimits = HEADER_LIMITS,
): GgufHeader | undefined {
  const reader = new GgufReader(bytes, fileBytes, limits);
  const header = reader.attempt(() => readHeader(reader, fileBytes, limits));
  if (header === undefined && bytes.byteLength >= Math.min(fileBytes, limits.headerBytes)) {
    throw fileBytes > limits.headerBytes
      ? refuse('header-too-large', `got a header beyond ${limits.headerBytes} bytes`)
      : refuse('truncated', `got ${fileBytes} bytes, needs more for the header alone`);
  }
  return header;
}

type Found = { name: string; dtype: StoredDtype; shape: number[]; offset: number; bytes: number };

function readHeader(reader: GgufReader, fileBytes: number, limits: HeaderLimits): GgufHeader {
  const magic = reader.u32();
  if (magic !== MAGIC) throw refuse('gguf-magic', 'got other first bytes than "GGUF"');
  const version = reader.u32();
  if (version !== 2 && version !== 3) throw refuse('gguf-version', `got ${version}, needs 2 or 3`);
  const tensorCount = reader.count('tensors', limits.tensors, 'too-many-tensors');
  const entryCount = reader.count('entries', limits.tensors, 'entry');
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.string();
    if (metadata.has(key)) throw refuse('entry', `got "${key}" twice`);
    metadata.set(key, reader.value());
  }
  const found: Found[] = [];
  for (let i = 0; i < tensorCount; i++) found.push(readInfo(reader, metadata, limits));
  const alignment = alignmentIn(metadata);
  const dataStart = Math.ceil(reader.at / alignment) * alignment;
  return { tensors: placed(found, dataStart, alignment, fileBytes), metadata };
}

function readInfo(
  reader: GgufReader,
  metadata: ReadonlyMap<string, GgufValue>,
  limits: HeaderLimits,
): Found {
  const name = reader.string();
  if (name === '' || name.length > limits.nameLength) {
    throw refuse(
      'name',
      `got a name of ${name.length} characters, needs 1 to ${limits.nameLength}`,
    );
  }
  const rank = reader.u32();
  if (rank > limits.rank)
    throw refuse('shape', `"${name}" — got ${rank} axes, needs ≤ ${limits.rank}`);
  const axes = Array.from({ length: rank }, () => reader.integer());
  const number = reader.u32();
  const dtype = TYPES.get(number);
  if (dtype === undefined) {
    throw refuse(
      'dtype',
      `"${name}" — got GGML type ${number}, needs one of ${[...TYPES.values()].join(', ')}`,
    );
  }
  const offset = reader.integer();
  const unit = unitOf(dtype);
  const values = axes.reduce((a, b) => a * b, 1);
  if (!Number.isSafeInteger(values)) throw refuse('overflow', `"${name}" — got too many values`);
  if ((axes[0] ?? 1) % unit.values !== 0) {
    throw refuse(
      'shape',
      `"${name}" — got rows of ${axes[0]} values, needs a multiple of ${unit.values}`,
    );
  }
  const bytes = (values / unit.values) * unit.bytes;
  return { name, dtype, shape: originalShape(name, axes.reverse(), metadata), offset, bytes };
}

/** The shape that a converter noted, when GGML had too few axes for it. */
function originalShape(
  name: string,
  shape: number[],
  metadata: ReadonlyMap<string, GgufValue>,
): number[] {
  const noted = metadata.get(SHAPE_KEY + name);
  if (noted === undefined) return shape;
  const product = (axes: readonly number[]): number => axes.reduce((a, b) => a * b, 1);
  const isShape =
    Array.isArray(noted) &&
    noted.every((axis): axis is number => typeof axis === 'number' && Number.isSafeInteger(axis));
  if (!isShape || product(noted) !== product(shape)) {
    throw refuse('shape', `"${name}" — got a noted shape of other size than [${shape.join(', ')}]`);
  }
  return noted;
}

function alignmentIn(metadata: ReadonlyMap<string, GgufValue>): number {
  const told = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof told === 'number' && Number.isInteger(Math.log2(told)) && told <= MAX_ALIGNMENT) {
    return told;
  }
  throw refuse('entry', `general.alignment — got ${String(told)}, needs a power of two`);
}

/** Gives every tensor its place in the file, after checking that they follow each other with padding alone between. */
function placed(
  found: readonly Found[],
  dataStart: number,
  alignment: number,
  fileBytes: number,
): ReadonlyMap<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  let next = 0;
  for (const { name, dtype, shape, offset, bytes } of [...found].sort(
    (a, b) => a.offset - b.offset,
  )) {
    if (tensors.has(name)) throw refuse('name', `got "${name}" twice`);
    if (offset !== next) {
      throw refuse('hole-or-overlap', `"${name}" — got offset ${offset}, needs ${next}`);
    }
    const start = dataStart + offset;
    const end = start + bytes;
    if (end > fileBytes) {
      throw new EngineError(
        'weights/truncated',
        `gguf: got ${fileBytes} bytes, needs ${end} for "${name}" — load the file again`,
        { have: fileBytes, need: end },
      );
    }
    tensors.set(name, { name, dtype, shape, start, end });
    next = Math.ceil((offset + bytes) / alignment) * alignment;
  }
  return tensors;
}
