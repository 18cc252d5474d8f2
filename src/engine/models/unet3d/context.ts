/** What spatial cross-attention sees, turned into keys and values once a clip: text and image tokens are the same in every step. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import type { Graph, Tensor } from '../../graph/graph.ts';
import { affine, mul, tanh } from '../../graph/ops/elementwise.ts';
import { rearrange } from '../../graph/ops/layout.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module, Scope } from '../../nn/module.ts';
import { parameter } from '../../nn/module.ts';
import type { Place, Unet3dConfig } from './config.ts';
import { transformerPlaces } from './config.ts';

type Pair = { readonly k: Tensor; readonly v: Tensor };

/** Keys and values of one transformer. */
export type CrossKeys = {
  readonly text: Pair;
  /** Image tokens; `perFrame` when each frame has its own run of them. */
  readonly image: (Pair & { readonly perFrame: boolean }) | undefined;
};

/** Keys and values of every spatial transformer, by its name. */
export type UnetContext = ReadonlyMap<string, CrossKeys>;

export type ContextArgs = {
  /** Tokens [n, contextDim] that all frames share. */
  readonly text: Tensor;
  /** Image tokens [m, contextDim], frame after frame when `perFrame`. */
  readonly image?: { readonly tokens: Tensor; readonly perFrame: boolean } | undefined;
};

/** Text and image tokens -> keys and values of every transformer. */
export const unetContext =
  (config: Unet3dConfig): Module<(args: ContextArgs) => UnetContext> =>
  (scope) => {
    const places = transformerPlaces(config).map((place) => ({
      name: place.name,
      keys: placeKeys(config, place)(scope),
    }));
    return (args) => new Map(places.map(({ name, keys }) => [name, keys(args)]));
  };

const placeKeys =
  (
    { contextDim, imageBranch }: Unet3dConfig,
    { name, width }: Place,
  ): Module<(args: ContextArgs) => CrossKeys> =>
  (scope) => {
    const at = scope.child(`${name}.transformer_blocks.0.attn2`);
    const project = (key: string): Layer =>
      linear({ in: contextDim, out: width, bias: false })(at.child(key));
    const [toK, toV] = [project('to_k'), project('to_v')];
    const seen = imageBranch === 'none' ? undefined : imageKeys(at, project, imageBranch, width);
    return ({ text, image }) => ({
      text: { k: toK(text), v: toV(text) },
      image: image && seen && { ...seen(image.tokens), perFrame: image.perFrame },
    });
  };

/** Keys and values of image tokens, the values already times 1 + tanh(alpha) where a model has that scalar. */
function imageKeys(
  at: Scope,
  project: (key: string) => Layer,
  branch: 'plain' | 'scaled',
  width: number,
): (tokens: Tensor) => Pair {
  const [toK, toV] = [project('to_k_ip'), project('to_v_ip')];
  const alpha = branch === 'scaled' ? parameter([1, 1], 'f32', [1])(at.child('alpha')) : undefined;
  return (tokens) => {
    const v = toV(tokens);
    if (!alpha) return { k: toK(tokens), v };
    const row = rearrange(alpha, 'a b -> a (c b)', { c: width });
    return { k: toK(tokens), v: mul(v, affine(tanh(row), 1, 1)) };
  };
}

const nameOf = (prefix: string, place: string, part: string): string =>
  `${prefix}.${place}.${part}`;

/** Keeps a context readable after the run of its graph, under names that begin with `prefix`. */
export function keepContext(graph: Graph, prefix: string, context: UnetContext): void {
  for (const [place, { text, image }] of context) {
    graph.result(nameOf(prefix, place, 'k'), text.k);
    graph.result(nameOf(prefix, place, 'v'), text.v);
    if (!image) continue;
    graph.result(nameOf(prefix, place, 'image.k'), image.k);
    graph.result(nameOf(prefix, place, 'image.v'), image.v);
  }
}

/** Returns a kept context for another graph; `result` is the recording's, which must outlive that graph's runs. */
export function borrowContext(
  graph: Graph,
  config: Unet3dConfig,
  prefix: string,
  { result, perFrame }: { result: (name: string) => DeviceTensor; perFrame: boolean },
): UnetContext {
  const borrow = (place: string, part: string): Tensor =>
    graph.external(result(nameOf(prefix, place, part)));
  return new Map(
    transformerPlaces(config).map(({ name }): [string, CrossKeys] => [
      name,
      {
        text: { k: borrow(name, 'k'), v: borrow(name, 'v') },
        image:
          config.imageBranch === 'none'
            ? undefined
            : { k: borrow(name, 'image.k'), v: borrow(name, 'image.v'), perFrame },
      },
    ]),
  );
}
