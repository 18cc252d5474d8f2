/**
 * The NewBie pipeline, from two texts to a picture: Gemma and Jina read them, the transformer turns noise into a latent
 * that the FLUX autoencoder shows. Each stage frees what the next one does not need.
 */
import type { Raster } from '../../image/resize.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import type { SamplingHooks } from '../../sampling/checkpoint.ts';
import { samplingHooks } from '../../sampling/checkpoint.ts';
import { flowMatchSchedule } from '../../sampling/flow-match.ts';
import { normal } from '../../sampling/rng.ts';
import type { Transport } from '../../sampling/transport.ts';
import { dpmTransport, odeTransport, scheduleTransport } from '../../sampling/transport.ts';
import type { RowSource } from '../../weights/mapped.ts';
import { parseAutoencoderConfig, pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { renameAutoencoder } from '../autoencoder-kl/names.ts';
import type { NextDitConfig } from './config.ts';
import { parseNextDitConfig } from './config.ts';
import type { DecodeOptions, PaintedPicture } from './decode.ts';
import { decodePicture } from './decode.ts';
import type { Branch } from './denoise.ts';
import { branchesIn, denoise } from './denoise.ts';
import type { EncodedText, TextCache } from './encode.ts';
import { encodeText } from './encode.ts';
import { computeModulation } from './modulation.ts';
import { nextDitCaption } from './nextdit.ts';
import { blocksOnly } from './policy.ts';
import { PREVIEW_CHANNELS, previewOf } from './preview.ts';
import type { LatentGrid, NewbieRequest, NewbieSource, TextIds } from './request.ts';
import { checkNewbieRequest } from './request.ts';
import type { TinyWeights } from './tiny-preview.ts';
import { TinyPreview } from './tiny-preview.ts';
import { nextDitNames, nextDitWeights } from './weights.ts';

export type NewbieStage = 'text' | 'conditions' | 'denoise' | 'decode';

export type NewbieProgress = {
  readonly stage: NewbieStage;
  /** Share of the stage that is done, 0 … 1. */
  readonly done: number;
  /** Call of the network that runs and how many there are, while denoising. */
  readonly step?: number;
  readonly steps?: number;
  /** Milliseconds that denoising has to go, once a step has been timed. */
  readonly leftMs?: number;
};

/** What a stage made: the texts, or the latent [h, w, C] after each step. */
export type NewbieTrace =
  | { readonly stage: 'texts'; readonly texts: readonly EncodedText[] }
  | { readonly stage: 'latent'; readonly latent: Float32Array };

export type NewbieOptions = SamplingHooks & {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: NewbieProgress) => void;
  /** Called with intermediates, which are read back for it: for tests. */
  readonly onTrace?: (trace: NewbieTrace) => void;
  /** Called after each step with a small picture of what it is becoming; for latents of FLUX, not with rk4. */
  readonly onPreview?: ((picture: Raster, step: number, steps: number) => void) | undefined;
  /** A tiny autoencoder for these latents: previews are then of full size. */
  readonly tiny?: TinyWeights | undefined;
  /** Called when denoising has ended, with how many calls of the network were made. */
  readonly onSampled?: (calls: number) => void;
  /** Texts that were encoded before, with the same encoders. */
  readonly texts?: TextCache | undefined;
  /** How the latent becomes a picture. */
  readonly decode?: Pick<DecodeOptions, 'tiling' | 'onDecodeInF32'>;
};

/** Shift of the noise levels that the model was trained with. */
const SHIFT = 6;

/**
 * Resolves to the picture, RGB in 0 … 1. Throws `newbie/…` for a request that cannot be served, `weights/…` for files that
 * are not the model's, `gpu/limit` where the device is too small, and `AbortError` soon after `signal` fires.
 */
export async function paint(
  engine: Engine,
  source: NewbieSource,
  request: NewbieRequest,
  options: NewbieOptions = {},
): Promise<Raster> {
  const { width, height, channels, data, destroy } = await paintOnDevice(
    engine,
    source,
    request,
    options,
  );
  destroy();
  return { width, height, channels, data };
}

/** Likewise, to a picture that stays on the device for the model that goes on with it. */
export async function paintOnDevice(
  anyEngine: Engine,
  source: NewbieSource,
  request: NewbieRequest,
  options: NewbieOptions = {},
): Promise<PaintedPicture> {
  // What a stage needed is freed before the next begins, so no weights are kept for another run.
  const engine = { ...anyEngine, keeper: undefined, quantise: blocksOnly(anyEngine.quantise) };
  const { signal, onTrace } = options;
  const abort = signal && { signal };
  const report = (stage: NewbieStage) => ({
    ...abort,
    onProgress: (done: number) => options.onProgress?.({ stage, done }),
  });
  const vae = parseAutoencoderConfig(await source.config('vae'));
  const transformer = await openTransformer(source);
  const { config, weights } = transformer;
  const grid = checkNewbieRequest(request, {
    space: pixelsPerLatent(vae),
    patch: config.patch,
    channels: config.channels,
  });
  const transport = transportOf(request);

  const kept = branchesIn(options.resume);
  const branches =
    kept.length > 0 ? kept : await branchesOf(engine, source, transformer, request, options);
  const [first = NOTHING, second] = branches;

  const previews = await openPreviews(engine, grid, options);
  const { sample: latent, stepsDone } = await denoise(
    engine,
    weights,
    {
      ...{ config, grid, transport, guidance: request.guidance, noise: noiseOf(request, grid) },
      ...{ prompt: first, negativePrompt: second },
      guideUntil: request.guideUntil ?? Infinity,
      guidanceLimit: request.guidanceLimit ?? 0,
    },
    {
      ...samplingHooks(options),
      ...abort,
      onProgress: (progress) => options.onProgress?.({ ...progress, stage: 'denoise' }),
      onLatent: onTrace && ((latent) => onTrace({ stage: 'latent', latent })),
      onEstimate: previews?.show,
    },
  ).finally(() => previews?.end());
  options.onSampled?.(stepsDone);
  const decoder = await source.weights('vae', renameAutoencoder(vae.channels.length));
  return decodePicture(
    engine,
    decoder,
    vae,
    { latent, grid },
    { ...report('decode'), ...options.decode },
  );
}

type Previews = {
  readonly show: (latent: Float32Array, step: number, steps: number) => void;
  end(): Promise<void>;
};

/** By the tiny autoencoder where there is one, else by the linear map of FLUX's latents; none where nobody looks. */
async function openPreviews(
  engine: Engine,
  grid: LatentGrid,
  { onPreview, tiny }: NewbieOptions,
): Promise<Previews | undefined> {
  if (!onPreview) return undefined;
  if (tiny) {
    const decoder = await TinyPreview.open(engine, tiny, grid);
    return {
      show: (latent, step, steps) =>
        decoder.show(latent, (picture) => onPreview(picture, step, steps)),
      end: () => decoder.end(),
    };
  }
  if (grid.C !== PREVIEW_CHANNELS) return undefined;
  return {
    show: (latent, step, steps) => onPreview(previewOf(latent, grid), step, steps),
    end: () => Promise.resolve(),
  };
}

const NOTHING: Branch = { caption: new Float32Array(), modulation: new Float32Array() };

/** Progress of part `index` of `count`, as that of the whole. */
const partOf = (options: RunOptions, index: number, count: number): RunOptions => ({
  ...options,
  onProgress: (done) => options.onProgress?.((index + done) / count),
});

/** Reads the texts and works out what they and the schedule do to the network. */
async function branchesOf(
  engine: Engine,
  source: NewbieSource,
  { config, weights }: OpenedTransformer,
  request: NewbieRequest,
  options: NewbieOptions,
): Promise<readonly Branch[]> {
  const { signal } = options;
  const report = (stage: NewbieStage): RunOptions => ({
    ...(signal && { signal }),
    onProgress: (done) => options.onProgress?.({ stage, done }),
  });
  const { prompt, negativePrompt, guidance } = request;
  const ids = guidance > 1 && negativePrompt ? [prompt, negativePrompt] : [prompt];
  const texts = await encodeTexts(engine, source, ids, options.texts, report('text'));
  options.onTrace?.({ stage: 'texts', texts });
  const branches: Branch[] = [];
  for (const text of texts) {
    const share = partOf(report('conditions'), branches.length, texts.length);
    branches.push(await branchOf(engine, weights, config, transportOf(request), text, share));
  }
  return branches;
}

/** The transformer's sizes, and its weights as its layers ask for them. */
export type OpenedTransformer = { readonly config: NextDitConfig; readonly weights: RowSource };

/** Opens the transformer; reads settings and headers alone. Throws `weights/config`, `weights/missing`. */
export async function openTransformer(source: NewbieSource): Promise<OpenedTransformer> {
  const named = nextDitNames(await source.weights('transformer'));
  const config = parseNextDitConfig(await source.config('transformer'), named);
  return { config, weights: nextDitWeights(named, config) };
}

/** Returns the rows of the solver, one for each call of the network. */
export function transportOf({
  solver = 'flow_euler',
  steps,
  shift = SHIFT,
}: NewbieRequest): Transport {
  if (solver === 'flow_euler')
    return scheduleTransport(
      flowMatchSchedule({ steps, grid: 'linear', shift: { factor: shift } }),
    );
  if (solver === 'dpmpp') return dpmTransport(2, steps, shift);
  return odeTransport(solver, steps + 1, { factor: shift });
}

const noiseOf = ({ noise, seed }: NewbieRequest, { h, w, C }: LatentGrid): Float32Array =>
  noise ?? normal(seed ?? 0, 0, h * w * C);

async function encodeTexts(
  engine: Engine,
  source: NewbieSource,
  texts: readonly TextIds[],
  cache: TextCache | undefined,
  options: RunOptions,
): Promise<EncodedText[]> {
  const encoded: EncodedText[] = [];
  for (const ids of texts) {
    const share = partOf(options, encoded.length, texts.length);
    const encode = (): Promise<EncodedText> => encodeText(engine, source, ids, share);
    encoded.push(await (cache ? cache.get(ids, encode) : encode()));
  }
  return encoded;
}

/** What does not change from step to step, worked out once: caption rows, and the modulation of all steps. */
async function branchOf(
  engine: Engine,
  weights: RowSource,
  config: NextDitConfig,
  { steps }: Transport,
  { rows, pooled }: EncodedText,
  options: RunOptions,
): Promise<Branch> {
  const times = steps.map(({ timestep }) => timestep);
  const request = { times, pooled: config.pooledDim === undefined ? undefined : pooled };
  const modulation = await computeModulation(
    engine,
    weights,
    config,
    request,
    partOf(options, 0, 2),
  );
  const results = await runOnce(
    engine,
    weights,
    (root) => {
      const text = root.graph.constant('text', rows, [
        rows.length / config.textDim,
        config.textDim,
      ]);
      root.graph.result('caption', nextDitCaption(config)(root)(text));
    },
    partOf(options, 1, 2),
  );
  return { caption: results['caption'] ?? rows, modulation: modulation.table };
}
