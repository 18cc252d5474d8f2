/** Gemma's weights as its layers ask for them: norms about one, heads as wide as attention takes, rows of the table. */
import { headLayout, padColumns, padHeadNorm, padRows } from '../../weights/head-padding.ts';
import type { Mapping, RowSource } from '../../weights/mapped.ts';
import { mapWeights, withoutPrefix } from '../../weights/mapped.ts';
import { readTableRows } from '../../weights/table-rows.ts';
import type { GemmaConfig } from './config.ts';

const TABLE = 'embed_tokens.weight';
const PROJECTION = /\.self_attn\.([qkvo])_proj\.weight$/;
const HEAD_NORM = /\.self_attn\.[qk]_norm\.weight$/;

const plusOne = (values: Float32Array): Float32Array => values.map((value) => value + 1);

/** Returns the text model in `store` under names without their prefix. Throws `weights/missing`. */
export function gemmaWeights(
  store: RowSource & { names(): readonly string[] },
  { heads, kvHeads, headDim, width, eps }: GemmaConfig,
): RowSource {
  const turned = headLayout(headDim, 'half');
  const still = { ...turned, halves: false };
  const { padded } = turned;
  return mapWeights(withoutPrefix(store, TABLE), (name): Mapping | undefined => {
    const [, part] = PROJECTION.exec(name) ?? [];
    if (part === undefined) {
      if (HEAD_NORM.test(name))
        return {
          from: name,
          shape: [padded],
          values: (values) => padHeadNorm(plusOne(values), eps, turned).weight,
        };
      return name.endsWith('norm.weight') ? { from: name, values: plusOne } : undefined;
    }
    if (padded === headDim) return undefined;
    if (part === 'o')
      return {
        from: name,
        shape: [width, heads * padded],
        values: (values) => padColumns(values, still, heads * headDim),
      };
    const count = part === 'q' ? heads : kvHeads;
    return {
      from: name,
      shape: [count * padded, width],
      values: (values) => padRows(values, part === 'v' ? still : turned, width),
    };
  });
}

/**
 * Resolves to the scaled rows [n, width] of the embedding table for `ids`. Only these rows are read: the table, more than
 * a gigabyte, is never held. Throws `text/token` for an id that it does not have.
 */
export async function readGemmaRows(
  weights: RowSource,
  config: GemmaConfig,
  ids: ArrayLike<number>,
): Promise<Float32Array> {
  const rows = await readTableRows(weights, TABLE, config, ids);
  return rows.map((value) => value * config.embeddingScale);
}
