/** DynamiCrafter from its released checkpoint, a PyTorch archive or safetensors files with the same names. */
import { EngineError } from '../../gpu/errors.ts';
import { openClipTokenizer } from '../../tokenizers/clip-vocabulary.ts';
import type { TextTokenizer } from '../../tokenizers/tokenizer.ts';
import { openWeights } from '../../weights/gguf.ts';
import type { ModelFiles } from '../../weights/model-files.ts';
import { WeightStore } from '../../weights/weight-store.ts';
import type { Config } from '../config-json.ts';
import type { DynamiCrafterSource } from './see.ts';
import type { DynamiCrafterVariant } from './variants.ts';
import { variantParams } from './variants.ts';

/** Where a CLIP tokenizer may lie. */
const TOKENIZERS = ['', 'tokenizer'];
const CHECKPOINT = 'model.ckpt';
const WEIGHTS = /\.(ckpt|pt|pth|safetensors)$/;

export type OpenDynamiCrafter = {
  readonly source: DynamiCrafterSource;
  /** Without a tokenizer beside the weights prompts must come as tokens. */
  readonly tokens: TextTokenizer | undefined;
};

/**
 * Resolves to the model in a folder: one checkpoint, or several files that make one. `params` are those of a released
 * model or of a config file. Throws `weights/folder` where there are no weights, and what `openWeights` throws.
 */
export async function openDynamiCrafter(
  files: ModelFiles,
  model: DynamiCrafterVariant | { readonly params: Config },
): Promise<OpenDynamiCrafter> {
  const names = files.paths?.filter((path) => WEIGHTS.test(path)) ?? [CHECKPOINT];
  const sources = (await Promise.all(names.map((name) => files.open(name)))).filter(
    (source) => source !== undefined,
  );
  if (sources.length === 0) {
    throw new EngineError(
      'weights/folder',
      `model — got a folder without ${CHECKPOINT} — choose the folder of a DynamiCrafter model`,
    );
  }
  const opened = await Promise.all(sources.map((source) => openWeights(source)));
  let tokens: TextTokenizer | undefined;
  for (const place of TOKENIZERS) tokens ??= await openClipTokenizer(files, place, 'zero');
  return {
    source: {
      params: typeof model === 'string' ? variantParams(model) : model.params,
      weights: (rename) => Promise.resolve(new WeightStore(opened, rename)),
    },
    tokens,
  };
}
