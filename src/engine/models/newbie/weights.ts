/**
 * A NextDiT's weights as its layers ask for them: under the original repository's names or those of diffusers, queries,
 * keys and values apart, heads as wide as attention takes.
 */
import { headLayout, padColumns, padHeadNorm, padRows } from '../../weights/head-padding.ts';
import type { Mapping, RowSource } from '../../weights/mapped.ts';
import { mapWeights } from '../../weights/mapped.ts';
import type { NextDitConfig } from './config.ts';

const DIFFUSERS: readonly (readonly [RegExp, string])[] = [
  [/^t_embedder\.mlp\.0\./, 'time_caption_embed.timestep_embedder.linear_1.'],
  [/^t_embedder\.mlp\.2\./, 'time_caption_embed.timestep_embedder.linear_2.'],
  [/^cap_embedder\./, 'time_caption_embed.caption_embedder.'],
  [/\.attention\.out\./, '.attn.to_out.0.'],
  [/\.attention\.([qk])_norm\./, '.attn.norm_$1.'],
  [/\.attention\.([qkv])\./, '.attn.to_$1.'],
  [/\.feed_forward\.w([123])\./, '.feed_forward.linear_$1.'],
  [/^(layers|noise_refiner)\.(\d+)\.adaLN_modulation\.1\./, '$1.$2.norm1.linear.'],
  [/^(layers|noise_refiner)\.(\d+)\.attention_norm1\./, '$1.$2.norm1.norm.'],
  [/\.attention_norm([12])\./, '.norm$1.'],
  [/^final_layer\.adaLN_modulation\.1\./, 'norm_out.linear_1.'],
  [/^final_layer\.linear\./, 'norm_out.linear_2.'],
];

/** Returns `store` under the original names, whichever spelling its files have. */
export function nextDitNames(store: RowSource): RowSource {
  if (store.has('cap_embedder.0.weight')) return store;
  return mapWeights(store, (name) => ({
    from: DIFFUSERS.reduce((out, [ours, theirs]) => out.replace(ours, theirs), name),
  }));
}

/**
 * Power of two that both branches of a block are made smaller by, so that f16 holds them: the norm behind each of them
 * undoes it, with `eps` made smaller by its square.
 */
export const SHRINK = 2 ** -6;

const PROJECTION = /^(.*\.attention)\.([qkv])\.weight$/;
const HEAD_NORM = /\.attention\.[qk]_norm\.weight$/;
const OUT = /\.attention\.out\.weight$/;
const UP = /\.feed_forward\.w3\.weight$/;

const shrunk = (values: Float32Array): Float32Array => values.map((value) => value * SHRINK);

/** Returns `named`, from `nextDitNames`, as the layers of nextdit.ts ask for it. */
export function nextDitWeights(
  named: RowSource,
  { width, heads, kvHeads, headDim, qkEps }: NextDitConfig,
): RowSource {
  const layout = headLayout(headDim, 'interleaved');
  const { padded } = layout;
  const counts = { q: heads, k: kvHeads, v: kvHeads };
  const fused = named.has('layers.0.attention.qkv.weight');
  return mapWeights(named, (name): Mapping | undefined => {
    if (UP.test(name)) return { from: name, values: shrunk };
    if (OUT.test(name))
      return {
        from: name,
        shape: [width, heads * padded],
        values: (values) => shrunk(padColumns(values, layout, heads * headDim)),
      };
    if (HEAD_NORM.test(name))
      return {
        from: name,
        shape: [padded],
        values: (values) => padHeadNorm(values, qkEps, layout).weight,
      };
    const [, attention, letter] = PROJECTION.exec(name) ?? [];
    const part = (['q', 'k', 'v'] as const).find((known) => known === letter);
    if (!part) return undefined;
    const before = { q: 0, k: heads, v: heads + kvHeads }[part] * headDim;
    const rows = counts[part] * headDim;
    return {
      from: fused ? `${attention}.qkv.weight` : name,
      rows: fused ? [before, before + rows] : undefined,
      ...(padded !== headDim && {
        shape: [counts[part] * padded, width],
        values: (values: Float32Array) => padRows(values, layout, width),
      }),
    };
  });
}
