/** The text tower's weights as its layers ask for them: the adapter merged, queries, keys and values apart. */
import { headLayout, padColumns, padRows } from '../../weights/head-padding.ts';
import type { Mapping, RowSource } from '../../weights/mapped.ts';
import { mapWeights, withoutPrefix } from '../../weights/mapped.ts';
import { readTableRows } from '../../weights/table-rows.ts';
import type { JinaConfig } from './config.ts';

const WORDS = 'embeddings.word_embeddings.weight';
const KINDS = 'embeddings.token_type_embeddings.weight';
const QKV = /^(.*\.mixer)\.([qkv])\.(weight|bias)$/;
const OUT = /\.mixer\.out_proj\.weight$/;

/** Where released files keep a weight and its adapter. */
const parts = (name: string): { original: string; a: string; b: string } => {
  const base = name.replace(/weight$/, 'parametrizations.weight');
  return { original: `${base}.original`, a: `${base}.0.lora_A`, b: `${base}.0.lora_B` };
};

/**
 * Returns `source` with the first adapter of each weight merged where one stands beside it: W + s · B A for layers,
 * W + s · A B for tables, A [1, r, in] and B [1, out, r] there, A [1, rows, r] and B [1, r, width] here.
 */
function mergeAdapters(source: RowSource, scale: number): RowSource {
  const isTable = (name: string): boolean => name.endsWith('embeddings.weight');
  const adapted = (name: string): boolean =>
    name.endsWith('.weight') && source.has(parts(name).original);
  const readRows = async (name: string, first: number, end: number): Promise<Float32Array> => {
    if (!adapted(name)) return source.readRows(name, first, end);
    const { original, a, b } = parts(name);
    const rows = await source.readRows(original, first, end);
    const [left, right] = isTable(name) ? [a, b] : [b, a];
    const rank = source.info(left).shape.at(-1) ?? 1;
    const [tall, wide] = [await source.read(left), await source.read(right)];
    const columns = rows.length / (end - first);
    return rows.map((value, i) => {
      const row = (first + Math.floor(i / columns)) * rank;
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += (tall[row + r] ?? NaN) * (wide[r * columns + (i % columns)] ?? NaN);
      return value + scale * sum;
    });
  };
  return {
    has: (name) => source.has(name) || adapted(name),
    info: (name) => source.info(adapted(name) ? parts(name).original : name),
    read: (name) =>
      adapted(name)
        ? readRows(name, 0, source.info(parts(name).original).shape[0] ?? 0)
        : source.read(name),
    readRows,
  };
}

/** Returns the text tower in `store` under names without their prefix. Throws `weights/missing`. */
export function jinaWeights(
  store: RowSource & { names(): readonly string[] },
  { width, heads, headDim, adapterScale }: JinaConfig,
): RowSource {
  const merged = mergeAdapters(withoutPrefix(store, 'emb_ln.weight'), adapterScale);
  const turned = headLayout(headDim, 'half');
  const still = { ...turned, halves: false };
  return mapWeights(merged, (name): Mapping | undefined => {
    if (OUT.test(name) && turned.padded !== headDim)
      return {
        from: name,
        shape: [width, heads * turned.padded],
        values: (values) => padColumns(values, still, width),
      };
    const [, mixer, part = '', kind] = QKV.exec(name) ?? [];
    if (mixer === undefined) return undefined;
    const first = 'qkv'.indexOf(part) * width;
    const columns = kind === 'weight' ? width : 1;
    return {
      from: `${mixer}.Wqkv.${kind}`,
      rows: [first, first + width],
      shape: [heads * turned.padded, ...(kind === 'weight' ? [width] : [])],
      values: (values) => padRows(values, part === 'v' ? still : turned, columns),
    };
  });
}

/**
 * Resolves to the sums [n, width] of word and kind rows for `ids`; reads no other rows of the table.
 * Throws `text/token` for an id that it does not have.
 */
export async function readJinaRows(
  weights: RowSource,
  config: JinaConfig,
  ids: ArrayLike<number>,
): Promise<Float32Array> {
  const [words, kind] = await Promise.all([
    readTableRows(weights, WORDS, config, ids),
    weights.readRows(KINDS, 0, 1),
  ]);
  return words.map((value, i) => value + (kind[i % config.width] ?? NaN));
}
