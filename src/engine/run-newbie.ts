/** NewBie-image in the shape of a run: a prompt goes in, a picture comes out; or a video that starts from that picture. */
import { EngineError } from './gpu/errors.ts';
import { sumOfWork } from './graph/work.ts';
import { pixelsOf } from './image/colours.ts';
import type { Size } from './image/fit.ts';
import type { Raster } from './image/resize.ts';
import { TextCache } from './models/newbie/encode.ts';
import { forecastNewbie } from './models/newbie/forecast.ts';
import type { NewbieOptions, NewbieStage } from './models/newbie/pipeline.ts';
import { paint } from './models/newbie/pipeline.ts';
import { isXmlPrompt, readPrompt } from './models/newbie/prompt.ts';
import type { NewbieRequest, NewbieSource } from './models/newbie/request.ts';
import type { NewbieTokenizer } from './models/newbie/tokenize.ts';
import { newbieTokenizer } from './models/newbie/tokenize.ts';
import { renameHalf } from './models/tae/names.ts';
import type { ModelContext, Picture, RunnableModel } from './run.ts';
import type { Settings } from './settings.ts';
import { WeightStore } from './weights/weight-store.ts';
import { policyFor } from './weights/policy.ts';
import type { ModelFiles } from './weights/model-files.ts';
import { openModelFolder } from './weights/model-folder.ts';

/** An opened model: its parts, and what makes tokens of prompts. */
export type NewbieFiles = {
  readonly parts: NewbieSource;
  readonly tokenizer: NewbieTokenizer;
  /** Decoder of a tiny autoencoder, for previews of full size. */
  readonly tiny?: WeightStore | undefined;
};

const PARTS = ['transformer', 'text_encoder', 'clip_model', 'vae'] as const;

/** The decoder of TAEF1, whose layers are bare numbers; it may be left out. */
const TINY = 'preview/taef1_decoder.safetensors';

/** Opens the model in `files`; reads headers and tokenizers, no weights. Throws `weights/folder`, `weights/missing`, `text/tokenizer`. */
export async function openNewbie(files: ModelFiles): Promise<NewbieFiles> {
  const tokenizerOf = async (path: string) => {
    const file = await files.open(path);
    if (file) return file;
    throw new EngineError(
      'weights/missing',
      `model — got a folder without ${path} — choose a complete one`,
    );
  };
  const tiny = files.paths?.includes(TINY) ? await files.open(TINY) : undefined;
  return {
    tiny: tiny && (await WeightStore.open([tiny], renameHalf)),
    parts: await openModelFolder(files, PARTS),
    tokenizer: await newbieTokenizer(
      await tokenizerOf('text_encoder/tokenizer.json'),
      await tokenizerOf('clip_model/tokenizer.json'),
    ),
  };
}

/** As released. */
const USUAL = { size: { width: 1024, height: 1024 }, steps: 28, guidance: 5 };
/** Sides of pictures are multiples of this. */
const SIDE = 16;
/** Tokens that are counted on where a prompt is not read yet. */
const MOST_TOKENS = 512;

/** Returns the model of `files`. It keeps the texts that it read last. */
export function runnableNewbie({ parts, tokenizer, tiny }: NewbieFiles): RunnableModel {
  const texts = new TextCache();
  return {
    family: 'newbie',
    makes: 'picture',
    takes: { picture: 'no', lastPicture: 'no', sound: 'no', prompt: 'needed' },
    presets: {
      preview: { fps: 1, steps: 16, size: { width: 512, height: 512 } },
      standard: { fps: 1, steps: USUAL.steps, size: USUAL.size },
      high: { fps: 1, steps: 40, size: { width: 1280, height: 1280 } },
    },
    quantise: ({ weights }) => policyFor(weights),
    sizeFor: (_, { size = USUAL.size }) => checkedSize(size),
    async plan({ settings, size, precision }, caps) {
      const stages = await forecastNewbie(
        parts,
        {
          ...{ ...size, steps: settings.steps, tokens: MOST_TOKENS },
          guidance: settings.guidance ?? USUAL.guidance,
          quantise: policyFor(settings.weights),
        },
        precision,
        caps,
      );
      return {
        peakBytes: Math.max(...stages.map(({ peakBytes }) => peakBytes)),
        largestBuffer: Math.max(...stages.map(({ largestBuffer }) => largestBuffer)),
        stages: (['text', 'denoise', 'decode'] as const).map((name) => ({
          name,
          steps: name === 'denoise' ? settings.steps : 1,
          work: sumOfWork(stages.flatMap((own) => (shownAs(own.stage) === name ? [own.work] : []))),
        })),
      };
    },
    async *run(engine, { settings }, context) {
      const request = newbieRequest(tokenizer, settings, checkedSize(settings.size ?? USUAL.size));
      const before = engine.executor.stats;
      let stepsDone = settings.steps;
      const picture = await paint(engine, parts, request, {
        ...newbieOptions(context),
        ...{ texts, tiny },
        onSampled: (calls) => (stepsDone = calls),
      });
      yield { ...shown(picture), index: 0, count: 1 };
      const { width, height } = picture;
      const after = engine.executor.stats;
      return {
        ...{ family: 'newbie', size: { width, height }, stepsDone },
        dispatches: after.dispatches - before.dispatches,
        submits: after.submits - before.submits,
      };
    },
  };
}

function checkedSize(size: Size): Size {
  const fits = (side: number): boolean => side > 0 && side % SIDE === 0;
  if (fits(size.width) && fits(size.height)) return size;
  throw new EngineError(
    'settings/size',
    `size — got ${size.width}x${size.height}, needs sides that are multiples of ${SIDE} — change it`,
  );
}

/** Returns what settings ask of the picture model. Throws `text/prompt` for a mistake in an XML prompt, and for an empty one. */
export function newbieRequest(
  tokenizer: NewbieTokenizer,
  settings: Pick<Settings, 'prompt' | 'negativePrompt' | 'steps' | 'seed' | 'guidance' | 'shift'>,
  { width, height }: Size,
): NewbieRequest {
  const { prompt, negativePrompt = '', steps, seed, guidance = USUAL.guidance, shift } = settings;
  if (prompt.trim() === '') {
    throw new EngineError('text/prompt', 'prompt — got none, needs one — say what to paint');
  }
  for (const text of [prompt, negativePrompt]) if (isXmlPrompt(text)) readPrompt(text);
  return {
    ...{ prompt: tokenizer(prompt), negativePrompt: tokenizer(negativePrompt) },
    ...{ width, height, steps, seed, guidance: Math.max(1, guidance) },
    ...(shift !== undefined && { shift }),
  };
}

/** What is made of the texts counts as reading them. */
const shownAs = (stage: NewbieStage): Exclude<NewbieStage, 'conditions'> =>
  stage === 'conditions' ? 'text' : stage;

/** Share of reading the texts that the encoders take. */
const READING = 0.8;

const shareOf = (stage: NewbieStage, done: number): number => {
  if (stage === 'text') return READING * done;
  return stage === 'conditions' ? READING + (1 - READING) * done : done;
};

/** Returns a run's context as the picture pipeline takes it. */
export function newbieOptions(context: ModelContext): NewbieOptions {
  const { signal, finishEarly, checkpoints, resume, progress, onPreview, onNotice } = context;
  return {
    ...(signal && { signal }),
    ...(finishEarly && { finishEarly }),
    ...(checkpoints && { checkpoints }),
    ...(resume && { resume }),
    onProgress: ({ stage, done }) => progress(shownAs(stage), shareOf(stage, done)),
    onPreview:
      onPreview && ((picture, step, steps) => onPreview({ ...shown(picture), step, steps })),
    decode: { onDecodeInF32: () => onNotice?.({ kind: 'decoded-in-f32', stage: 'decode' }) },
  };
}

/** The picture as it is shown. */
const shown = ({ width, height, data }: Raster): Picture => ({
  ...{ width, height },
  data: pixelsOf(data),
});
