/** A Wan model as the app runs it: prompt and picture in, pixels out, with the settings that its kind was released with. */
import { EngineError } from '../../gpu/errors.ts';
import { coloursOf, pixelsOf } from '../../image/colours.ts';
import type { Engine } from '../../nn/run-once.ts';
import type { SamplingHooks } from '../../sampling/checkpoint.ts';
import { samplingHooks } from '../../sampling/checkpoint.ts';
import type { SamplerKind } from '../../sampling/sampler.ts';
import { umt5Tokenizer } from '../../tokenizers/tokenizer.ts';
import type { ByteSource } from '../../weights/byte-source.ts';
import type { ModelFiles } from '../../weights/model-files.ts';
import { openModelFolder } from '../../weights/model-folder.ts';
import { checkWan } from './check.ts';
import { choicesBelow } from './fit.ts';
import type { ComponentName, ComponentSource } from './components.ts';
import { parseWanConfig } from './config.ts';
import { MASK_CHANNELS } from './image-condition.ts';
import { renameWan } from './names-dit.ts';
import type { WanStage } from './pipeline.ts';
import type { WanOptions } from './pipeline.ts';
import { generate } from './pipeline.ts';
import type { PlacedPicture, WanRequest } from './pipeline-request.ts';
import { framesPerLatent, pixelsPerLatent, readVaeConfig } from './vae-config.ts';

/** An opened model: its parts, its tokenizer, and what is usual for its kind. */
export type WanFiles = {
  readonly parts: ComponentSource;
  readonly tokenizer: ByteSource;
  readonly usual: WanUsual;
};

/** What was released with a kind of model. */
export type WanUsual = {
  /** Whether it starts from a picture, cannot, or may. */
  readonly picture: 'needed' | 'unknown' | 'possible';
  /** Sides of its videos are multiples of this. */
  readonly sideMultiple: number;
  /** Frames are a multiple of this and one more. */
  readonly frameMultiple: number;
  readonly fps: number;
  readonly frames: number;
  readonly steps: number;
  readonly guidance: number;
  readonly shift: number;
  readonly solver: SamplerKind;
  /** What a distilled network is told when it makes as many steps; see `ScheduleOptions`. */
  readonly timesteps?: readonly number[] | undefined;
};

/** What a run is asked for. */
export type WanWishes = {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly frames: number;
  readonly steps: number;
  readonly seed: number;
  readonly guidance?: number;
  readonly shift?: number;
  readonly solver?: SamplerKind;
};

export type WanAnimation = {
  readonly family: 'wan';
  readonly size: { readonly width: number; readonly height: number };
  readonly guidance: number;
  readonly shift: number;
  /** Tokens of the prompt, its end counted in. */
  readonly tokens: number;
  readonly dispatches: number;
  readonly submits: number;
};

/** A frame as pixels: RGBA, row-major from the top, opaque. */
export type WanPixels = {
  readonly index: number;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** Folders of a released model. */
export const WAN_PARTS: readonly ComponentName[] = [
  ...(['transformer', 'transformer_2', 'vae', 'text_encoder', 'image_encoder'] as const),
];
const TOKENIZERS = ['tokenizer/tokenizer.json', 'google/umt5-xxl/tokenizer.json', 'tokenizer.json'];

/** What the models were trained to be asked not to show, in the words of their release. */
const WAN_NEGATIVE_PROMPT =
  '色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，' +
  '多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走';

/** Where a folder may say what its authors recommend, as the catalog does. */
const RECOMMENDED = 'recommended.json';

/**
 * Opens the model in `files`; reads settings and headers, no weights. `usual`, or the folder's recommended.json, takes the
 * place of what is derived from the model's kind, for variants that look like their base. Throws `weights/folder`, `weights/missing`, `weights/config`.
 */
export async function openWan(files: ModelFiles, usual: Partial<WanUsual> = {}): Promise<WanFiles> {
  const parts = await openModelFolder(files, WAN_PARTS);
  const told = { ...(await recommendedIn(files)), ...usual };
  for (const path of TOKENIZERS) {
    const tokenizer = await files.open(path);
    if (tokenizer) return { parts, tokenizer, usual: { ...(await usualOf(parts)), ...told } };
  }
  throw new EngineError(
    'weights/missing',
    `model — got a folder without ${TOKENIZERS.join(', ')} — choose a complete one`,
  );
}

/** What the folder recommends, as far as it is of the right kind. */
async function recommendedIn(files: ModelFiles): Promise<Partial<WanUsual>> {
  const source = files.paths?.includes(RECOMMENDED) ? await files.open(RECOMMENDED) : undefined;
  if (!source) return {};
  const found = parseRecommended(await source.read(0, Math.min(source.size, RECOMMENDED_BYTES)));
  const numbers = (['fps', 'frames', 'steps', 'guidance', 'shift'] as const).flatMap((name) =>
    typeof found[name] === 'number' ? [[name, found[name]] as const] : [],
  );
  const solver = SOLVERS.find((name) => name === found['solver']);
  const { timesteps } = found;
  const isList = Array.isArray(timesteps) && timesteps.every((t) => typeof t === 'number');
  return {
    ...Object.fromEntries(numbers),
    ...(solver && { solver }),
    ...(isList && { timesteps }),
  };
}

/** More than any list of settings has. */
const RECOMMENDED_BYTES = 1 << 16;

function parseRecommended(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(new TextDecoder().decode(bytes))) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new EngineError(
      'weights/config',
      `${RECOMMENDED} — got no JSON, needs settings — correct it or take it away`,
      { cause },
    );
  }
}

const SOLVERS: readonly SamplerKind[] = ['unipc', 'flow_euler', 'dpmpp', 'renoise'];

async function usualOf(parts: ComponentSource): Promise<WanUsual> {
  const vae = readVaeConfig(await parts.config('vae'));
  const config = parseWanConfig(
    await parts.config('transformer'),
    await parts.weights('transformer', renameWan),
  );
  const { z_dim } = vae;
  const firstFrame = config.inChannels === z_dim && z_dim === 48;
  const beside = config.inChannels === 2 * z_dim + MASK_CHANNELS;
  const twoExperts = parts.has('transformer_2');
  return {
    picture: beside ? 'needed' : firstFrame ? 'possible' : 'unknown',
    sideMultiple: pixelsPerLatent(vae) * Math.max(config.patch.ph, config.patch.pw),
    frameMultiple: framesPerLatent(vae),
    ...{ fps: firstFrame ? 24 : 16, frames: firstFrame ? 121 : 81 },
    ...{ steps: beside ? 40 : 50, guidance: twoExperts ? 3.5 : 5 },
    ...{ shift: firstFrame || twoExperts ? 5 : 3, solver: 'unipc' },
  };
}

export type WanRunOptions = Pick<WanOptions, 'onDecodeInF32' | 'onSampled'> &
  SamplingHooks & {
    readonly signal?: AbortSignal;
    readonly onProgress?: (stage: 'load' | WanStage, done: number) => void;
    /** Called after each step with a small picture of what the video is becoming; not for text alone. */
    readonly onPreview?: ((preview: WanPreview) => void) | undefined;
  };

/** A small picture: RGBA, row-major from the top, opaque. */
export type WanPreview = {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly step: number;
  readonly steps: number;
};

/** The size of the video, and the picture that it starts from at that size: as RGBA, or as another model left it. */
export type WanStart = {
  readonly width: number;
  readonly height: number;
  readonly data?: Uint8ClampedArray;
  readonly placed?: PlacedPicture;
};

/**
 * Yields the video of a prompt and a picture, RGBA at the size of the video, frame by frame; returns what it did. Names and
 * shapes of all weights are checked before any is read. Throws what `checkWan`, `generate` and `umt5Tokenizer` throw.
 */
export async function* animateWan(
  engine: Engine,
  { parts, tokenizer, usual }: WanFiles,
  picture: WanStart,
  wishes: WanWishes,
  options: WanRunOptions = {},
): AsyncGenerator<WanPixels, WanAnimation, void> {
  const { signal, onProgress, onPreview, onDecodeInF32, onSampled } = options;
  onProgress?.('load', 0);
  await checkWan(parts, engine.gpu.caps);
  const tokens = await umt5Tokenizer(tokenizer);
  const { negativePrompt = WAN_NEGATIVE_PROMPT, guidance = usual.guidance } = wishes;
  const { shift = usual.shift, solver = usual.solver, frames, steps, seed } = wishes;
  const { width, height, data } = picture;
  const image = picture.placed ?? (data && coloursOf({ width, height, channels: 4, data }, 0));
  const timesteps = usual.timesteps?.length === steps ? usual.timesteps : undefined;
  const prompt = tokens(wishes.prompt);
  const request: WanRequest = {
    ...{ prompt, negativePrompt: tokens(negativePrompt), width, height, frames, steps, seed },
    ...{ guidance, shift, solver: { kind: solver, variant: 'diffusers', timesteps } },
    ...(usual.picture !== 'unknown' && image && { image }),
  };
  const before = engine.executor.stats;
  const run = generate(engine, parts, request, {
    ...samplingHooks(options),
    ...(signal && { signal }),
    ...(onDecodeInF32 && { onDecodeInF32 }),
    ...(onSampled && { onSampled }),
    onProgress: ({ stage, done }) => onProgress?.(stage, done),
    onPreview:
      onPreview &&
      ((small, step, steps) =>
        onPreview({
          width: small.width,
          height: small.height,
          data: pixelsOf(small.data),
          step,
          steps,
        })),
  });
  try {
    for await (const frame of run) {
      yield { index: frame.index, count: frames, width, height, data: pixelsOf(frame.data) };
    }
  } catch (error) {
    throw withSmaller(error, { width, height, frames });
  }
  const after = engine.executor.stats;
  return {
    ...{ family: 'wan', size: { width, height }, guidance, shift, tokens: prompt.length },
    dispatches: after.dispatches - before.dispatches,
    submits: after.submits - before.submits,
  };
}

/** A failure for want of memory, with what to ask for instead. */
function withSmaller(
  error: unknown,
  asked: { readonly width: number; readonly height: number; readonly frames: number },
): unknown {
  if (!(error instanceof EngineError && error.code === 'gpu/memory')) return error;
  const smaller = [...choicesBelow({ ...asked, weights: 'int4', tiled: true, stream: true })][1];
  if (!smaller) return error;
  const { width, height, frames } = smaller;
  const { stage, have, need } = error;
  return new EngineError(
    'gpu/memory',
    `${asked.width}x${asked.height}, ${asked.frames} frames — got too little graphics memory in "${stage}", which needs ${need} bytes more — use weights of fewer bits, let them be streamed, or ${width}x${height} with ${frames} frames`,
    { cause: error, ...(stage && { stage }), ...(have && { have }), ...(need && { need }) },
  );
}
