/** Views of weights under other names and in other shapes: parts of a tensor, values made from others on the way in. */
import { EngineError } from '../gpu/errors.ts';
import type { Shape } from '../gpu/tensor.ts';
import type { WeightSource } from './upload.ts';

/** Weights by name, rows of one among them. A `WeightStore` is one. */
export type RowSource = WeightSource & {
  has(name: string): boolean;
  readRows(name: string, first: number, end: number): Promise<Float32Array>;
};

/** Where the values of a name come from, and what is made of them. */
export type Mapping = {
  readonly from: string;
  /** Rows [first, end) of the first axis; default all. */
  readonly rows?: readonly [first: number, end: number] | undefined;
  /** Shape of what `values` returns; default that of the rows. */
  readonly shape?: Shape | undefined;
  readonly values?: ((values: Float32Array) => Float32Array) | undefined;
};

/** Returns `source` with the names that `mapping` knows in their place. */
export function mapWeights(
  source: RowSource,
  mapping: (name: string) => Mapping | undefined,
): RowSource {
  const rowShape = ({ from, rows }: Mapping): Shape => {
    const { shape } = source.info(from);
    return rows ? [rows[1] - rows[0], ...shape.slice(1)] : shape;
  };
  const read = async (name: string): Promise<Float32Array> => {
    const mapped = mapping(name);
    if (!mapped) return source.read(name);
    const { from, rows, values = (own) => own } = mapped;
    return values(await (rows ? source.readRows(from, ...rows) : source.read(from)));
  };
  const { pieces, raw } = source;
  return {
    has: (name) => source.has(mapping(name)?.from ?? name),
    info: (name) => {
      const mapped = mapping(name);
      if (!mapped) return source.info(name);
      return { shape: mapped.shape ?? rowShape(mapped) };
    },
    read,
    readRows: async (name, first, end) => {
      const mapped = mapping(name);
      if (!mapped) return source.readRows(name, first, end);
      if (mapped.values) {
        throw new EngineError('engine/assert', `rows of ${name} — its values come as one`);
      }
      const start = mapped.rows?.[0] ?? 0;
      return source.readRows(mapped.from, start + first, start + end);
    },
    ...(pieces && {
      pieces: async function* (name: string, chunkBytes?: number) {
        const mapped = mapping(name) ?? { from: name };
        if (mapped.values || mapped.rows) yield await read(name);
        else yield* pieces.call(source, mapped.from, chunkBytes);
      },
    }),
    ...(raw && {
      raw: (name: string, part?: readonly [number, number]) => {
        const { from, rows, values } = mapping(name) ?? { from: name };
        if (values) return undefined;
        const start = rows?.[0] ?? 0;
        return raw.call(source, from, part ? [start + part[0], start + part[1]] : rows);
      },
    }),
  };
}

/**
 * Returns `store` under names without what its files put before them, found by where `anchor` stands.
 * Throws `weights/missing` when no name ends in `anchor`.
 */
export function withoutPrefix(
  store: RowSource & { names(): readonly string[] },
  anchor: string,
): RowSource {
  const found = store.names().find((name) => name === anchor || name.endsWith(`.${anchor}`));
  if (found === undefined) {
    throw new EngineError(
      'weights/missing',
      `weights — got files without a tensor ${anchor}, needs it — use the weights of this model`,
    );
  }
  const prefix = found.slice(0, -anchor.length);
  return mapWeights(store, (name) => ({ from: prefix + name }));
}
