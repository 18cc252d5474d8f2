/**
 * The weights of one network behind one look-up: any number of safetensors files, either spelling of the tensor
 * names, and 8-bit weights turned back into numbers. It remembers what was read, so that a checkpoint of the
 * wrong kind shows itself by what is left over.
 */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { ByteRange } from './byte-stream.ts';
import { floatsOfBytes, isScaled, unitOf, valuesIn } from './dtype.ts';
import { openWeights } from './gguf.ts';
import type { Packs } from './packs.ts';
import { CHUNK_BYTES, readBytes, readValues } from './safetensors.ts';
import type { TensorInfo, WeightFile } from './safetensors.ts';
import type { StoredValues } from './slabs.ts';

/**
 * Where a tensor is found: under another name, or as rows of the first axis of another tensor: [first, end), or one of
 * `of` equal parts of them.
 */
export type Alias =
  | string
  | { readonly name: string; readonly rows: readonly [number, number] }
  | { readonly name: string; readonly part: number; readonly of: number };

/** From the name that a model asks for to where a file may keep it; undefined when there is no other place. */
export type Rename = (name: string) => Alias | undefined;

type Place = { readonly file: WeightFile; readonly info: TensorInfo };

/** What values are multiplied by: a factor for each `span` of them. */
type Scale = { readonly values: Float32Array; readonly span: number };

const LISTED = 5;

/** Where the scale of an 8-bit weight stands: ending of its name, and the ending of the weight's in its place. */
const SCALES: readonly (readonly [scale: string, of: string])[] = [
  ['.scale', ''],
  ['.scale_weight', '.weight'],
  ['.weight_scale', '.weight'],
];

/** Tensors of 8-bit files that say something about the file or about activations. */
const MARKERS = /(^|\.)(scaled_fp8|scale_input|input_scale)$/;

/** What single files put before the names of a transformer. */
const PREFIX = /^(model\.)?diffusion_model\./;

const listed = (names: readonly string[]): string =>
  names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ', …' : '');

/** The tensors of one or more safetensors files, by name. */
export class WeightStore {
  readonly #places = new Map<string, Place>();
  readonly #used = new Set<string>();
  readonly #rename: Rename;
  /** Where quantised weights are kept from run to run. */
  readonly packs: Packs | undefined;

  /** Throws `weights/duplicate` when two files hold a tensor of the same name. */
  constructor(files: readonly WeightFile[], rename: Rename = () => undefined, packs?: Packs) {
    this.#rename = rename;
    this.packs = packs;
    for (const file of files) {
      for (const [stored, found] of file.tensors) {
        const name = stored.replace(PREFIX, '');
        const info = { ...found, name };
        if (this.#places.has(name)) {
          throw new EngineError(
            'weights/duplicate',
            `tensor "${name}" — got it in two files, needs it once — pass the files of one model`,
          );
        }
        this.#places.set(name, { file, info });
      }
    }
  }

  /** Returns a store over the files behind `sources`. Throws what `openWeights` throws. */
  static async open(sources: readonly ByteSource[], rename?: Rename): Promise<WeightStore> {
    return new WeightStore(await Promise.all(sources.map((source) => openWeights(source))), rename);
  }

  /** Whether `name` is there, under this spelling or the other. */
  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Returns dtype and shape of `name`; `name` in it is the file's. Throws `weights/missing`. */
  info(name: string): TensorInfo {
    return this.#place(name).info;
  }

  /** Returns all names in the files' own spelling, without the scales of 8-bit weights. */
  names(): string[] {
    return [...this.#places.keys()].filter((name) => !this.#isScale(name));
  }

  /** Returns the values of `name` as f32, row-major. Throws `weights/missing`. */
  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const { start, end, dtype } = this.info(name);
    const values = new Float32Array(valuesIn(dtype, end - start));
    let at = 0;
    for await (const piece of this.pieces(name)) {
      values.set(piece, at);
      at += piece.length;
    }
    return values;
  }

  /** Returns rows [first, end) of the first axis of `name` as f32; reads no others. Throws `weights/missing`, `weights/shape`. */
  async readRows(name: string, first: number, end: number): Promise<Float32Array<ArrayBuffer>> {
    const { file, info } = this.#place(name);
    this.#used.add(info.name);
    const part = rowsOf(info, [first, end]);
    const scale = await this.#scaleOf(part);
    const values = await readValues(file, part);
    if (scale) multiply(values, 0, scale);
    return values;
  }

  /**
   * Yields the values of `name` in order, in pieces read from at most `chunkBytes` of the file, so that a tensor
   * reaches the device without a second copy of it in memory. 8-bit values are multiplied by the scale that stands
   * beside them (`x.scale`, `x.scale_weight`, `x.weight_scale`): one for all, or one per row of the first axis.
   */
  async *pieces(
    name: string,
    chunkBytes = CHUNK_BYTES,
  ): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    const { file, info } = this.#place(name);
    this.#used.add(info.name);
    const scale = await this.#scaleOf(info);
    let at = 0;
    for await (const bytes of readBytes(file, info, chunkBytes)) {
      const piece = floatsOfBytes(info.dtype, bytes);
      if (scale) multiply(piece, at, scale);
      yield piece;
      at += piece.length;
    }
  }

  /**
   * Returns how `name`, or rows [first, end) of it, is stored: where its bytes lie, and its scales. Throws `weights/missing`,
   * `weights/shape`.
   */
  raw(name: string, rows?: readonly [number, number]): StoredValues {
    const { file, info: whole } = this.#place(name);
    const info = rows ? rowsOf(whole, rows) : whole;
    this.#used.add(info.name);
    const scale = isScaled(info.dtype) ? this.#scalePlace(info.name) : undefined;
    return {
      dtype: info.dtype,
      bytes: rangeOf(file, info),
      factors: scale && {
        bytes: rangeOf(scale.file, scale.info),
        values: (bytes) => {
          const all = floatsOfBytes(scale.info.dtype, bytes);
          return this.#scaleIn(all, scale, info).values.subarray(0, info.shape[0]);
        },
      },
    };
  }

  /** Throws `weights/missing` with the first five of `names` that are not there. */
  checkAllPresent(names: Iterable<string>): void {
    const missing = [...names].filter((name) => !this.has(name));
    if (missing.length > 0) {
      throw new EngineError(
        'weights/missing',
        `weights — got files without ${missing.length} tensors of the model (${listed(missing)}), needs all — use the weights of this model`,
        { have: missing.length, need: 0 },
      );
    }
  }

  /** Throws `weights/unknown` with the first five tensors that were never read and match none of `ignore`. */
  checkAllUsed(ignore: readonly RegExp[] = []): void {
    const unused = this.names().filter(
      (name) => !this.#used.has(name) && !ignore.some((pattern) => pattern.test(name)),
    );
    if (unused.length > 0) {
      throw new EngineError(
        'weights/unknown',
        `weights — got ${unused.length} tensors that the model does not know (${listed(unused)}), needs none — use the weights of this model`,
        { have: unused.length, need: 0 },
      );
    }
  }

  #place(name: string): Place {
    const place = this.#find(name);
    if (place) return place;
    throw new EngineError(
      'weights/missing',
      `tensor "${name}" — got ${this.#places.size} tensors without it — use the weights of this model`,
    );
  }

  #find(name: string): Place | undefined {
    const own = this.#places.get(name);
    if (own) return own;
    const alias = this.#rename(name);
    if (alias === undefined) return undefined;
    if (typeof alias === 'string') return this.#places.get(alias);
    const whole = this.#places.get(alias.name);
    if (!whole) return undefined;
    const span = 'of' in alias ? (whole.info.shape[0] ?? 0) / alias.of : 0;
    const rows: readonly [number, number] =
      'of' in alias ? [alias.part * span, (alias.part + 1) * span] : alias.rows;
    return { file: whole.file, info: rowsOf(whole.info, rows) };
  }

  #isScale(name: string): boolean {
    if (MARKERS.test(name)) return true;
    return SCALES.some(([suffix, of]) => {
      if (!name.endsWith(suffix)) return false;
      const scaled = this.#places.get(name.slice(0, -suffix.length) + of);
      return scaled !== undefined && isScaled(scaled.info.dtype);
    });
  }

  /** One factor for all, or one per row of the first axis of `info`, which may be some rows of the stored tensor. */
  async #scaleOf(info: TensorInfo): Promise<Scale | undefined> {
    const place = isScaled(info.dtype) ? this.#scalePlace(info.name) : undefined;
    return place && this.#scaleIn(await readValues(place.file, place.info), place, info);
  }

  /** The same, from all values at `place`. Throws `weights/scale` when they are neither one nor one a row. */
  #scaleIn(all: Float32Array, place: Place, info: TensorInfo): Scale {
    const whole = this.#places.get(info.name)?.info ?? info;
    const rows = whole.shape[0] ?? 1;
    if (all.length === 1) return { values: all, span: Infinity };
    if (all.length !== rows) {
      throw new EngineError(
        'weights/scale',
        `"${place.info.name}" — got ${all.length} scales, needs 1 or ${rows}, one for each row — export the file again`,
        { have: all.length, need: rows },
      );
    }
    const span = rows === 0 ? 0 : (whole.end - whole.start) / rows; // one byte a value
    const first = span === 0 ? 0 : (info.start - whole.start) / span;
    return { values: all.subarray(first), span };
  }

  #scalePlace(name: string): Place | undefined {
    const places = SCALES.filter(([, of]) => name.endsWith(of)).map(([scale, of]) =>
      this.#places.get(name.slice(0, name.length - of.length) + scale),
    );
    return places.find((place) => place !== undefined);
  }
}

function multiply(piece: Float32Array, offset: number, { values, span }: Scale): void {
  // Row by row: a division for each value would cost more than reading it.
  for (let at = 0; at < piece.length;) {
    const row = span === Infinity ? 0 : Math.floor((offset + at) / span);
    const end = Math.min(piece.length, (row + 1) * span - offset);
    const factor = values[row] ?? 0;
    for (; at < end; at++) piece[at] = (piece[at] ?? 0) * factor;
  }
}

/** Where the bytes of a tensor, or of a part of one, lie. */
const rangeOf = ({ source }: WeightFile, { start, end }: TensorInfo): ByteRange => ({
  ...{ source, start, end },
});

/** The entry of rows [first, end) of the first axis. */
function rowsOf(info: TensorInfo, [first, end]: readonly [number, number]): TensorInfo {
  const rows = info.shape[0] ?? 0;
  if (!(Number.isInteger(first) && first >= 0 && first <= end && end <= rows)) {
    throw new EngineError(
      'weights/shape',
      `"${info.name}" [${info.shape.join(', ')}] — got ${rows} rows, needs rows ${first} to ${end} — use the weights of this model`,
      { have: rows, need: end },
    );
  }
  const span = rows === 0 ? 0 : (info.end - info.start) / rows;
  if (span % unitOf(info.dtype).bytes !== 0) {
    throw new EngineError(
      'weights/shape',
      `"${info.name}" [${info.shape.join(', ')}] ${info.dtype} — got rows that share a block, needs whole blocks a row`,
    );
  }
  return {
    ...info,
    shape: [end - first, ...info.shape.slice(1)],
    start: info.start + first * span,
    end: info.start + end * span,
  };
}
