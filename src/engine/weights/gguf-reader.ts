/** Numbers, strings and lists of a GGUF header, read one after the other with every length checked. */
import { EngineError } from '../gpu/errors.ts';
import type { HeaderLimits } from './safetensors-header.ts';

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** A broken rule of the format: `weights/<kind>`. */
export const refuse = (kind: string, text: string): EngineError =>
  new EngineError(`weights/${kind}`, `gguf: ${text} — load the file again`);

/** Thrown inside when the bytes at hand end before the header does. */
class NeedMore extends Error {}

const STRING = 8;
const ARRAY = 9;
/** Lists may hold lists, but not for ever. */
const MAX_DEPTH = 2;

/** A cursor over the first bytes of a file. */
export class GgufReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileBytes: number;
  readonly #limits: HeaderLimits;
  at = 0;

  constructor(bytes: Uint8Array, fileBytes: number, limits: HeaderLimits) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileBytes = fileBytes;
    this.#limits = limits;
  }

  /** Returns what `read` returns; undefined when the bytes at hand did not suffice. */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (error instanceof NeedMore) return undefined;
      throw error;
    }
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A u64 that JavaScript's numbers hold exactly. Throws `weights/overflow`. */
  integer(): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse('overflow', `got ${value}`);
    return Number(value);
  }

  /** A u64 that says how many follow. Throws `weights/<kind>` above `limit`. */
  count(what: string, limit: number, kind: string): number {
    const value = this.integer();
    if (value > limit) throw refuse(kind, `got ${value} ${what}, needs ≤ ${limit}`);
    return value;
  }

  /** Throws `weights/utf8`, `weights/header-too-large`. */
  string(): string {
    const length = this.integer();
    this.#checkFits(length);
    const start = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(
        this.#bytes.subarray(start, start + length),
      );
    } catch (cause) {
      throw new EngineError('weights/utf8', 'gguf: got a string that is no UTF-8', { cause });
    }
  }

  /** A type number and a value of that type. Throws `weights/entry`. */
  value(): GgufValue {
    return this.#valueOf(this.u32(), 0);
  }

  #valueOf(type: number, depth: number): GgufValue {
    if (type === STRING) return this.string();
    if (type !== ARRAY) return this.#scalar(type);
    if (depth >= MAX_DEPTH) throw refuse('entry', `got lists ${depth + 1} deep`);
    const kind = this.u32();
    const length = this.integer();
    this.#checkFits(length); // every element takes a byte at least
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.#valueOf(kind, depth + 1));
    return values;
  }

  #scalar(type: number): number | bigint | boolean {
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(this.#take(1));
      case 1:
        return view.getInt8(this.#take(1));
      case 2:
        return view.getUint16(this.#take(2), true);
      case 3:
        return view.getInt16(this.#take(2), true);
      case 4:
        return view.getUint32(this.#take(4), true);
      case 5:
        return view.getInt32(this.#take(4), true);
      case 6:
        return view.getFloat32(this.#take(4), true);
      case 7:
        return view.getUint8(this.#take(1)) !== 0;
      case 10:
        return view.getBigUint64(this.#take(8), true);
      case 11:
        return view.getBigInt64(this.#take(8), true);
      case 12:
        return view.getFloat64(this.#take(8), true);
      default:
        throw refuse('entry', `got a value of type ${type}, needs 0 to 12`);
    }
  }

  #checkFits(length: number): void {
    if (length > this.#limits.headerBytes) {
      throw refuse('header-too-large', `got ${length} bytes, needs ≤ ${this.#limits.headerBytes}`);
    }
    if (this.at + length > this.#fileBytes) {
      throw refuse('truncated', `got ${this.#fileBytes} bytes, needs ${this.at + length}`);
    }
  }

  #take(bytes: number): number {
    const start = this.at;
    if (start + bytes > this.#bytes.byteLength) throw new NeedMore();
    this.at += bytes;
    return start;
  }
}
