/**
 * The Wan pipelines, from prompts and a picture to frames: text to video, picture to video of 2.1 (with CLIP) and 2.2
 * (two experts), and 2.2's small model that does both. Each stage frees what the next one does not need.
 */
import type { Raster } from '../../image/resize.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { allFinite, checkFinite } from '../../sampling/attended.ts';
import type { Checkpoint, SamplingHooks } from '../../sampling/checkpoint.ts';
import { samplingHooks } from '../../sampling/checkpoint.ts';
import { normal } from '../../sampling/rng.ts';
import { samplerFor } from '../../sampling/sampler.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import type { ComponentSource } from './components.ts';
import type { WanConfig } from './config.ts';
import { parseWanConfig } from './config.ts';
import type { ExpertSteps } from './denoise.ts';
import { denoise } from './denoise.ts';
import { encodeTexts } from './encode.ts';
import type { Conditions } from './expert.ts';
import { renameWan } from './names-dit.ts';
import type { LatentScale, LatentSize, WanRequest } from './pipeline-request.ts';
import { END_ALONE, checkRequest } from './pipeline-request.ts';
import { openVae, pictureConditions } from './picture.ts';
import { fitColours, knownLatent, previewOf } from './preview.ts';
import { framesPerLatent, pixelsPerLatent, readVaeConfig } from './vae-config.ts';
import type { FrameChunk } from './vae.ts';

export type WanStage = 'text' | 'picture' | 'denoise' | 'decode';

export type WanProgress = {
  readonly stage: WanStage;
  /** Share of the stage that is done, 0 … 1. */
  readonly done: number;
  /** Step that runs and how many there are, while denoising. */
  readonly step?: number;
  readonly steps?: number;
  /** Milliseconds that denoising has to go, once a step has been timed. */
  readonly leftMs?: number;
};

/** What a stage made: what the transformer is given, and the latent [F, h, w, C] after each step. */
export type WanTrace =
  | { readonly stage: 'conditions'; readonly conditions: Conditions }
  | { readonly stage: 'latent'; readonly latent: Float32Array };

export type WanOptions = SamplingHooks & {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WanProgress) => void;
  /** Called after each step with a small picture of what the video is becoming; not for text alone. */
  readonly onPreview?: ((picture: Raster, done: number, steps: number) => void) | undefined;
  /** Called when f16 was not enough for the decoder and the rest is decoded in f32. */
  readonly onDecodeInF32?: () => void;
  /** Called when denoising has ended, with how many steps were made. */
  readonly onSampled?: (steps: number) => void;
  /** Called with intermediates, which are read back for it: for tests. */
  readonly onTrace?: (trace: WanTrace) => void;
};

export type WanFrame = {
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** RGB in 0..1, row-major from the top. */
  readonly data: Float32Array;
};

/**
 * Yields the frames of the video in order, as they are decoded. Throws `wan/…` for a request that the model cannot
 * serve, `weights/…` for files that are not the model's, `gpu/limit` where the device is too small, and `AbortError`
 * soon after `signal` fires.
 */
export async function* generate(
  engine: Engine,
  source: ComponentSource,
  request: WanRequest,
  options: WanOptions = {},
): AsyncGenerator<WanFrame, void, void> {
  const { signal, onTrace } = options;
  const abort = signal && { signal };
  const report = (stage: WanStage) => ({
    ...abort,
    onProgress: (done: number) => options.onProgress?.({ stage, done }),
  });
  const config = await transformerConfig(source);
  const size = checkRequest(request, await latentScale(source, config));
  const sampler = samplerOf(request);

  const conditions =
    kept(options.resume) ?? (await conditionsOf(engine, source, config, request, size, report));
  onTrace?.({ stage: 'conditions', conditions });

  const steps = sampler.steps.length;
  const { image } = request;
  const { onPreview } = options;
  const known = onPreview && image && knownLatent(conditions, size);
  const colours = known && fitColours(known, image, size);
  const { sample, stepsDone } = await denoise(
    engine,
    sampler,
    await expertsOf(source, config, request, sampler),
    {
      size,
      noise: noiseOf(request, size),
      stepNoise: (i) => drawn(request, 1 + i, size),
      conditions,
    },
    {
      ...samplingHooks(options),
      ...abort,
      onProgress: (progress) => options.onProgress?.({ ...progress, stage: 'denoise' }),
      onEstimate: colours && ((x, done) => onPreview?.(previewOf(x, size, colours), done, steps)),
      onSample: onTrace && ((latent) => onTrace({ stage: 'latent', latent })),
    },
  );
  options.onSampled?.(stepsDone);
  yield* decode(
    engine,
    source,
    request,
    { latent: sample, size },
    {
      ...report('decode'),
      onDecodeInF32: options.onDecodeInF32,
    },
  );
}

type Report = (stage: WanStage) => RunOptions;

/** Conditions that a checkpoint holds. */
function kept(checkpoint: Checkpoint | undefined): Conditions | undefined {
  const { prompt, negativePrompt, ...others } = checkpoint?.conditions ?? {};
  return prompt && negativePrompt ? { prompt, negativePrompt, ...others } : undefined;
}

/** What prompt and picture become for the transformer. */
async function conditionsOf(
  engine: Engine,
  source: ComponentSource,
  config: WanConfig,
  request: WanRequest,
  size: LatentSize,
  report: Report,
): Promise<Conditions> {
  const { prompt, negativePrompt = END_ALONE } = request;
  const texts = await encodeTexts(engine, source, { prompt, negativePrompt }, report('text'));
  const picture = await pictureConditions(engine, source, config, request, size, report('picture'));
  return { ...texts, ...picture };
}

async function transformerConfig(source: ComponentSource): Promise<WanConfig> {
  return parseWanConfig(
    await source.config('transformer'),
    await source.weights('transformer', renameWan),
  );
}

function samplerOf({ solver, steps, shift }: WanRequest): Sampler {
  const { kind, variant, timesteps } = solver ?? { kind: 'unipc', variant: 'diffusers' };
  return samplerFor(kind, variant, { steps, shift, timesteps });
}

/** Noise of a stream of the seed: 0 for the start, then one for each step that makes noise again. */
const drawn = ({ seed }: WanRequest, stream: number, { F, h, w, C }: LatentSize): Float32Array =>
  normal(seed ?? 0, stream, F * h * w * C);

const noiseOf = (request: WanRequest, size: LatentSize): Float32Array =>
  request.noise ?? drawn(request, 0, size);

async function latentScale(source: ComponentSource, { patch }: WanConfig): Promise<LatentScale> {
  const config = readVaeConfig(await source.config('vae'));
  return {
    time: framesPerLatent(config),
    space: pixelsPerLatent(config),
    channels: config.z_dim,
    patch: Math.max(patch.ph, patch.pw),
  };
}

/** Share of the noise range that the first of two experts takes, as released. */
const BOUNDARY = { text: 0.875, picture: 0.9 } as const;

/** One expert for all steps, or two of which the first takes those at and above the boundary. */
async function expertsOf(
  source: ComponentSource,
  config: WanConfig,
  request: WanRequest,
  { timesteps }: Sampler,
): Promise<ExpertSteps[]> {
  const { guidance, guidance2 = guidance } = request;
  const steps = timesteps.length;
  const open = () => source.weights('transformer', renameWan);
  if (!source.has('transformer_2')) return [{ config, end: steps, guidance, open }];
  const boundary = request.boundary ?? (request.image ? BOUNDARY.picture : BOUNDARY.text);
  const end = timesteps.filter((t) => t >= 1000 * boundary).length;
  const second = parseWanConfig(await source.config('transformer_2'));
  const open2 = () => source.weights('transformer_2', renameWan);
  return [
    { config, end, guidance, open },
    { config: second, end: steps, guidance: guidance2, open: open2 },
  ];
}

type DecodeOptions = RunOptions & { readonly onDecodeInF32?: (() => void) | undefined };

/** Frames in 0..1, one by one; from the first that f16 cannot hold on, all are decoded in f32. */
async function* decode(
  engine: Engine,
  source: ComponentSource,
  request: WanRequest,
  { latent, size: { F, h, w, C } }: { readonly latent: Float32Array; readonly size: LatentSize },
  { onDecodeInF32, ...options }: DecodeOptions,
): AsyncGenerator<WanFrame, void, void> {
  let next = 0;
  const volume = { values: latent, shape: [F, h, w, C] } as const;
  for (const precision of engine.precision === 'f32'
    ? ['f32' as const]
    : ['f16' as const, 'f32' as const]) {
    const vae = await openVae({ ...engine, precision }, source, request.vae);
    try {
      for await (const chunk of vae.decode(volume, options)) {
        if (precision === 'f16' && !allFinite(chunk.values)) break;
        checkFinite(chunk.values, 'decode');
        for (const frame of framesOf(chunk)) {
          if (frame.index < next) continue; // it was whole in f16
          next = frame.index + 1;
          yield frame;
        }
      }
    } finally {
      vae.destroy();
    }
    if (next === request.frames) return;
    onDecodeInF32?.();
  }
}

/** The frames of a chunk, made 0..1 where they lie. */
function* framesOf({ first, values, shape }: FrameChunk): Generator<WanFrame, void, void> {
  const [count, height, width] = shape;
  const span = values.length / count;
  for (let at = 0; at < values.length; at++) values[at] = (values[at] ?? 0) / 2 + 0.5;
  for (let i = 0; i < count; i++) {
    const data = values.subarray(i * span, (i + 1) * span);
    yield { index: first + i, width, height, data };
  }
}
