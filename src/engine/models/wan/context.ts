/** What the Wan transformer attends to beside its own tokens: text and image, turned into keys and values once a clip. */
import type { Graph, Tensor } from '../../graph/graph.ts';
import { addRows, geluErf, geluTanh } from '../../graph/ops/elementwise.ts';
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { layerNorm, linear, rmsNorm } from '../../nn/layers.ts';
import type { Layer } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { absent, block, list, parameter } from '../../nn/module.ts';
import type { WanConfig } from './config.ts';

/** Keys and values of one block; the image's where the model has that branch. */
export type BlockContext = {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly image: { readonly k: Tensor; readonly v: Tensor } | undefined;
};

export type ContextArgs = {
  /** Rows [n, textDim] of the text encoder; see `trimText`. */
  readonly text: Tensor;
  /** Rows [m, imageDim] of the image encoder, the images end to end. */
  readonly image?: Tensor | undefined;
  readonly probe?: Probe | undefined;
};

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

/**
 * Returns the text without its zero padding. Rows of zeros leave the text embedding alike, so their keys are alike too:
 * one of them stands for all when ln(count) is added to its score. `values` holds [n, width] and stands for
 * `length` rows, the missing ones zero.
 */
export function trimText(
  values: Float32Array,
  width: number,
  length: number,
): { readonly values: Float32Array; readonly rows: number; readonly lastKeyBias: number } {
  let real = values.length / width;
  const isZero = (row: number): boolean =>
    values.subarray(row * width, (row + 1) * width).every((value) => value === 0);
  while (real > 0 && isZero(real - 1)) real--;
  const padding = Math.max(length, values.length / width) - real;
  if (padding === 0) return { values, rows: real, lastKeyBias: 0 };
  const kept = new Float32Array((real + 1) * width);
  kept.set(values.subarray(0, real * width));
  return { values: kept, rows: real + 1, lastKeyBias: Math.log(padding) };
}

const textEmbedder = ({ textDim, width }: WanConfig): Module<Layer> =>
  block(
    {
      linear_1: linear({ in: textDim, out: width }),
      linear_2: linear({ in: width, out: width }),
    },
    (m, text: Tensor) => m.linear_2(geluTanh(m.linear_1(text))),
  );

const imageEmbedder = (imageDim: number, { width, imagePositions: n }: WanConfig): Module<Layer> =>
  block(
    {
      norm1: layerNorm({ channels: imageDim, eps: 1e-5, affine: true }),
      'ff.net.0.proj': linear({ in: imageDim, out: imageDim }),
      'ff.net.2': linear({ in: imageDim, out: width }),
      norm2: layerNorm({ channels: width, eps: 1e-5, affine: true }),
      pos_embed: n === undefined ? absent : parameter([n, imageDim], 'f32', [1, n, imageDim]),
    },
    (m, image: Tensor) => {
      const placed = m.pos_embed ? addRows(image, m.pos_embed) : image;
      return m.norm2(m['ff.net.2'](geluErf(m['ff.net.0.proj'](m.norm1(placed)))));
    },
  );

const keysAndValues = ({ width, eps, qkNorm, imageDim }: WanConfig) => {
  const project = linear({ in: width, out: width });
  const norm = qkNorm ? rmsNorm({ channels: width, eps }) : absent;
  return block(
    {
      'attn2.to_k': project,
      'attn2.to_v': project,
      'attn2.norm_k': norm,
      'attn2.add_k_proj': imageDim === undefined ? absent : project,
      'attn2.add_v_proj': imageDim === undefined ? absent : project,
      'attn2.norm_added_k': imageDim === undefined ? absent : norm,
    },
    (m, text: Tensor, image: Tensor | undefined): BlockContext => {
      const normed = (layer: Layer | undefined, x: Tensor): Tensor => (layer ? layer(x) : x);
      const k = normed(m['attn2.norm_k'], m['attn2.to_k'](text));
      const v = m['attn2.to_v'](text);
      const [toK, toV] = [m['attn2.add_k_proj'], m['attn2.add_v_proj']];
      if (!image || !toK || !toV) return { k, v, image: undefined };
      return { k, v, image: { k: normed(m['attn2.norm_added_k'], toK(image)), v: toV(image) } };
    },
  );
};

/** Text and image rows -> keys and values of every block. */
export const wanContext = (
  config: WanConfig,
): Module<(args: ContextArgs) => readonly BlockContext[]> =>
  block(
    {
      'condition_embedder.text_embedder': textEmbedder(config),
      'condition_embedder.image_embedder':
        config.imageDim === undefined ? absent : imageEmbedder(config.imageDim, config),
      blocks: list(config.layers, () => keysAndValues(config)),
    },
    (m, { text, image, probe }: ContextArgs) => {
      const words = m['condition_embedder.text_embedder'](text);
      const picture = image && m['condition_embedder.image_embedder']?.(image);
      probe?.('text', words);
      if (picture) probe?.('image', picture);
      return m.blocks.map((project) => project(words, picture));
    },
  );

const nameOf = (index: number, part: string): string => `context.${index}.${part}`;

/** Returns the names under which a context is kept. */
export const contextNames = ({ layers, imageDim }: WanConfig): readonly string[] =>
  Array.from({ length: layers }, (_, index) =>
    ['k', 'v', ...(imageDim === undefined ? [] : ['image.k', 'image.v'])].map((part) =>
      nameOf(index, part),
    ),
  ).flat();

/** Keeps a context readable after the run of its graph: under the names that `borrowContext` asks for. */
export function keepContext(graph: Graph, context: readonly BlockContext[]): void {
  context.forEach(({ k, v, image }, index) => {
    graph.result(nameOf(index, 'k'), k);
    graph.result(nameOf(index, 'v'), v);
    if (!image) return;
    graph.result(nameOf(index, 'image.k'), image.k);
    graph.result(nameOf(index, 'image.v'), image.v);
  });
}

/** Returns a kept context for use in another graph; `result` is the recording's, which must outlive that graph's runs. */
export function borrowContext(
  graph: Graph,
  config: WanConfig,
  result: (name: string) => DeviceTensor,
): readonly BlockContext[] {
  const borrow = (index: number, part: string): Tensor =>
    graph.external(result(nameOf(index, part)));
  return Array.from({ length: config.layers }, (_, index) => ({
    k: borrow(index, 'k'),
    v: borrow(index, 'v'),
    image:
      config.imageDim === undefined
        ? undefined
        : { k: borrow(index, 'image.k'), v: borrow(index, 'image.v') },
  }));
}
