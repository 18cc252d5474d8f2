/**
 * The header of a safetensors file, checked strictly: a hostile or damaged file ends in a typed error, never in
 * a large allocation, a wrong tensor or an exception of the language.
 *
 *   u64 length (little-endian) · JSON object of that many bytes, space-padded · data
 *   { "name": { "dtype": "F16", "shape": [2, 3], "data_offsets": [begin, end] }, …, "__metadata__": { … } }
 *
 * Offsets count from the start of the data; tensors cover it without holes, overlaps or bytes left over. That
 * rule makes a repeated name harmless: the entry that JSON.parse drops leaves a hole.
 */
import { EngineError } from '../gpu/errors.ts';
import { bytesOfDtype, isWeightDtype } from './dtype.ts';
import type { StoredDtype } from './dtype.ts';

export type TensorInfo = {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** First byte in the file, and the one after the last. */
  readonly start: number;
  readonly end: number;
};

export type SafetensorsHeader = {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
};

/** Bounds on what a header may hold; anything larger is refused before it costs memory. */
export type HeaderLimits = {
  readonly headerBytes: number;
  readonly tensors: number;
  readonly nameLength: number;
  readonly rank: number;
};

export const HEADER_LIMITS: HeaderLimits = {
  headerBytes: 16 * 2 ** 20,
  tensors: 65_536,
  nameLength: 512,
  rank: 8,
};

/** Bytes before the JSON. */
export const PREFIX_BYTES = 8;

type Details = { have?: string | number; need?: string | number; cause?: unknown };

const refuse = (kind: string, text: string, details: Details = {}): EngineError =>
  new EngineError(`weights/${kind}`, `safetensors: ${text} — load the file again`, details);

/** Returns the length of the JSON from the first eight bytes of a file of `fileBytes` bytes. */
export function headerLength(
  prefix: Uint8Array,
  fileBytes: number,
  limits: HeaderLimits = HEADER_LIMITS,
): number {
  if (prefix.byteLength < PREFIX_BYTES) {
    throw refuse('truncated', `got ${fileBytes} bytes, needs at least ${PREFIX_BYTES}`, {
      have: fileBytes,
      need: PREFIX_BYTES,
    });
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(limits.headerBytes)) {
    throw refuse(
      'header-too-large',
      `got a header of ${length} bytes, needs ≤ ${limits.headerBytes}`,
      {
        have: length.toString(),
        need: limits.headerBytes,
      },
    );
  }
  const need = PREFIX_BYTES + Number(length);
  if (need > fileBytes) {
    throw refuse('truncated', `got ${fileBytes} bytes, needs ${need} for the header alone`, {
      have: fileBytes,
      need,
    });
  }
  return Number(length);
}

/** Returns the checked contents of the JSON `header` of a file of `fileBytes` bytes. */
export function parseHeader(
  header: Uint8Array,
  fileBytes: number,
  limits: HeaderLimits = HEADER_LIMITS,
): SafetensorsHeader {
  const dataStart = PREFIX_BYTES + header.byteLength;
  const entries = Object.entries(jsonOf(header));
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorInfo>();
  if (entries.length > limits.tensors + 1) {
    throw refuse('too-many-tensors', `got ${entries.length} entries, needs ≤ ${limits.tensors}`, {
      have: entries.length,
      need: limits.tensors,
    });
  }
  for (const [name, entry] of entries) {
    if (name === '__metadata__') readMetadata(entry, metadata);
    else tensors.set(name, tensorOf(name, entry, dataStart, limits));
  }
  if (tensors.size > limits.tensors) {
    throw refuse('too-many-tensors', `got ${tensors.size} tensors, needs ≤ ${limits.tensors}`, {
      have: tensors.size,
      need: limits.tensors,
    });
  }
  checkCoverage([...tensors.values()], dataStart, fileBytes);
  return { tensors, metadata };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && (value as unknown[]).every(isCount);

function jsonOf(header: Uint8Array): Record<string, unknown> {
  if (header[0] !== 0x7b) {
    throw refuse(
      'header-start',
      `got first byte ${header[0] ?? 'none'}, needs the header to start with {`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw refuse('utf8', 'got bytes that are no UTF-8 in the header, needs UTF-8', { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw refuse('json', 'got a header that is no JSON, needs one JSON object', { cause });
  }
  if (!isObject(json))
    throw refuse('json', 'got a header that is no object, needs one JSON object');
  return json;
}

function readMetadata(entry: unknown, metadata: Map<string, string>): void {
  if (!isObject(entry)) throw refuse('metadata', 'got metadata that is no object, needs one');
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') {
      throw refuse('metadata', `got a ${typeof value} under "${key.slice(0, 64)}", needs a string`);
    }
    metadata.set(key, value);
  }
}

function tensorOf(
  name: string,
  entry: unknown,
  dataStart: number,
  limits: HeaderLimits,
): TensorInfo {
  if (name.length > limits.nameLength) {
    throw refuse('name', `got a name of ${name.length} characters, needs ≤ ${limits.nameLength}`, {
      have: name.length,
      need: limits.nameLength,
    });
  }
  const label = JSON.stringify(name);
  if (!isObject(entry)) throw refuse('entry', `${label}: got no object, needs one`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    throw refuse('entry', `${label}: got a field too few, needs dtype, shape and data_offsets`);
  }
  if (!isWeightDtype(dtype)) {
    const got = JSON.stringify(dtype).slice(0, 64);
    throw refuse('dtype', `${label}: got dtype ${got}, needs one that this reader knows`);
  }
  if (!isCounts(shape) || shape.length > limits.rank) {
    throw refuse('shape', `${label}: got no shape, needs at most ${limits.rank} whole numbers`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw refuse('offsets', `${label}: got no data_offsets, needs two whole numbers`);
  }
  const [begin = 0, end = 0] = offsets;
  if (begin > end) {
    throw refuse('offsets', `${label}: got begin ${begin} after end ${end}, needs begin ≤ end`);
  }
  const bytes = shape.reduce((total, axis) => {
    if (Number.isSafeInteger(total * axis)) return total * axis;
    throw refuse('overflow', `${label}: got shape [${shape.join(', ')}], needs a size below 2^53`);
  }, bytesOfDtype(dtype));
  if (bytes !== end - begin) {
    const text = `${label}: got ${end - begin} bytes, needs ${bytes} by shape and dtype`;
    throw refuse('size-mismatch', text, { have: end - begin, need: bytes });
  }
  return { name, dtype, shape, start: dataStart + begin, end: dataStart + end };
}

function checkCoverage(tensors: TensorInfo[], dataStart: number, fileBytes: number): void {
  let covered = dataStart;
  for (const { name, start, end } of tensors.sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (start !== covered) {
      throw refuse(
        'hole-or-overlap',
        `${JSON.stringify(name)}: got start ${start}, needs ${covered}`,
        {
          have: start,
          need: covered,
        },
      );
    }
    covered = end;
  }
  if (covered > fileBytes) {
    throw refuse('truncated', `got ${fileBytes} bytes, needs ${covered}`, {
      have: fileBytes,
      need: covered,
    });
  }
  if (covered < fileBytes) {
    throw refuse(
      'trailing-bytes',
      `got ${fileBytes} bytes, needs ${covered}: some belong to no tensor`,
      {
        have: fileBytes,
        need: covered,
      },
    );
  }
}
