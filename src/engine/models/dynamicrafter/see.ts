/** Text and picture as DynamiCrafter's UNet is given them: rows of OpenCLIP's towers, image tokens of the projector. */
import type { Raster } from '../../image/resize.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { Scope } from '../../nn/module.ts';
import { runEach } from '../../nn/run-once.ts';
import type { Rename } from '../../weights/weight-store.ts';
import { encodePrompts, encodeSeen } from '../openclip/encode.ts';
import { renameOpenClipText, renameOpenClipVision } from '../openclip/names.ts';
import type { TextConfig } from '../openclip/text.ts';
import type { VisionConfig } from '../openclip/vision.ts';
import type { ClipWeights } from '../unet3d/parts.ts';
import { partOf } from '../unet3d/parts.ts';
import type { Share } from '../unet3d/clip-pipeline.ts';
import type { Config } from '../config-json.ts';
import { TEXT_TOKENS } from './config.ts';
import type { DynamiCrafterParams } from './params.ts';
import { clipPicture } from './picture.ts';
import { renameResampler, resampler } from './resampler.ts';

/** A checkpoint with every part of the model, and its settings. */
export type DynamiCrafterSource = {
  /** `model.params` of the authors' config file, or `variantParams`. */
  readonly params: Config;
  weights(rename?: Rename): Promise<ClipWeights>;
};

/** OpenCLIP ViT-H/14, which all released models hold frozen. */
export const TEXT_TOWER: TextConfig = {
  ...{ width: 1024, heads: 16, mlpDim: 4096, layers: 24, eps: 1e-5, activation: 'gelu' },
  ...{ positions: TEXT_TOKENS, vocabulary: 49408 },
};
export const VISION_TOWER: VisionConfig = {
  ...{ width: 1280, heads: 16, mlpDim: 5120, layers: 32, eps: 1e-5, activation: 'gelu' },
  ...{ imageSize: 224, patchSize: 14, channels: 3, projection: 1024 },
};

/** The empty prompt: start, end, padding. */
export const EMPTY_PROMPT: readonly number[] = [
  49406,
  49407,
  ...Array.from({ length: TEXT_TOKENS - 2 }, () => 0),
];

/** What both halves of guidance are made from. */
export type Seen = {
  /** Rows [77, contextDim] of the prompt and of the empty prompt. */
  readonly text: Float32Array;
  readonly emptyText: Float32Array;
  /** CLIP's tokens of the picture and of a grey one. */
  readonly picture: Float32Array;
  readonly emptyPicture: Float32Array;
};

/** CLIP's tokens of a grey picture, and by what they were made: constants of a checkpoint, kept while its source is. */
type Grey = Pick<Engine, 'precision' | 'quantise'> & { readonly tokens: Float32Array };
const greys = new WeakMap<DynamiCrafterSource, Grey>();

/** Resolves to the rows of a prompt and of a picture (−1 … 1, any shape). Throws `text/token`, `text/length`. */
export async function see(
  engine: Engine,
  source: DynamiCrafterSource,
  prompt: ArrayLike<number>,
  picture: Raster,
  report: (stage: 'text' | 'picture', share?: Share) => RunOptions,
): Promise<Seen> {
  const { precision, quantise } = engine;
  const words = await partOf(source, 'text', () =>
    source.weights(renameOpenClipText(TEXT_TOWER.width, 'cond_stage_model.model.')),
  );
  const prompts = [prompt, EMPTY_PROMPT];
  const [text = new Float32Array(), emptyText = new Float32Array()] = await encodePrompts(
    engine,
    words,
    TEXT_TOWER,
    prompts,
    report('text'),
  );
  const eyes = await partOf(source, 'picture', () =>
    source.weights(renameOpenClipVision(VISION_TOWER.width, 'embedder.model.')),
  );
  const look = (square: Raster, share: Share): Promise<Float32Array> =>
    encodeSeen(engine, eyes, VISION_TOWER, square, { ...report('picture', share), embed: false });
  const side = VISION_TOWER.imageSize;
  const tokens = await look(clipPicture(picture, side), [0, 0.4]);
  const blank = { width: side, height: side, channels: 3, data: new Float32Array(3 * side * side) };
  const known = greys.get(source);
  const same = known?.precision === precision && known.quantise === quantise;
  const emptyPicture = same ? known.tokens : await look(clipPicture(blank, side), [0.4, 0.8]);
  greys.set(source, { precision, quantise, tokens: emptyPicture });
  return { text, emptyText, picture: tokens, emptyPicture };
}

/** Resolves to the image tokens [frames · 16, contextDim] of CLIP's tokens of each picture. */
export async function projectTokens(
  engine: Engine,
  source: DynamiCrafterSource,
  { resampler: config }: DynamiCrafterParams,
  pictures: readonly Float32Array[],
  options: RunOptions = {},
): Promise<readonly Float32Array[]> {
  const store = await partOf(source, 'projector', () =>
    source.weights(renameResampler('image_proj_model.')),
  );
  const runs = await runEach(
    engine,
    store,
    pictures.map((tokens) => (root: Scope): void => {
      const { graph } = root;
      const shape = [tokens.length / config.inDim, config.inDim];
      const x = graph.constant('tokens', tokens, shape, graph.compute);
      graph.result('rows', resampler(config)(root)(x));
    }),
    options,
  );
  return runs.map(({ rows = new Float32Array() }) => rows);
}
