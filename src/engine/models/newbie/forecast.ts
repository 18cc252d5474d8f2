/** How much memory and work a picture will take, before anything is loaded: its stages run against a device on paper. */
import type { Capabilities } from '../../gpu/device.ts';
import { paperGpu } from '../../gpu/paper.ts';
import type { Precision } from '../../graph/graph.ts';
import { PaperExecutor } from '../../graph/paper-executor.ts';
import type { Work } from '../../graph/work.ts';
import { sumOfWork, timesWork } from '../../graph/work.ts';
import type { WeightPolicy } from '../../graph/graph.ts';
import { PipelineCache } from '../../kernels/pipelines.ts';
import type { Engine } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import { parseAutoencoderConfig, pixelsPerLatent } from '../autoencoder-kl/config.ts';
import { parseGemmaConfig } from '../gemma/config.ts';
import { gemmaEncoder } from '../gemma/gemma.ts';
import { parseJinaConfig } from '../jina/config.ts';
import { jinaEncoder } from '../jina/jina.ts';
import { decodePicture } from './decode.ts';
import type { Branch } from './denoise.ts';
import { denoise } from './denoise.ts';
import { computeModulation, modulationParts } from './modulation.ts';
import { nextDitCaption } from './nextdit.ts';
import type { NewbieStage } from './pipeline.ts';
import { openTransformer, transportOf } from './pipeline.ts';
import { blocksOnly } from './policy.ts';
import type { NewbieRequest, NewbieSource } from './request.ts';
import { checkNewbieRequest } from './request.ts';

/** What of a request decides how much it takes. */
export type NewbieFootprint = Pick<
  NewbieRequest,
  'width' | 'height' | 'steps' | 'guidance' | 'solver'
> & {
  /** Tokens of the prompt; no more are counted than the model was trained with. */
  readonly tokens: number;
  readonly quantise?: WeightPolicy | undefined;
};

/** What a stage takes. */
export type NewbieStageForecast = {
  readonly stage: NewbieStage;
  readonly peakBytes: number;
  readonly largestBuffer: number;
  readonly work: Work;
};

/**
 * Resolves to the stages of a run on a device that can do what `caps` says. Throws `newbie/…` for a request that cannot be
 * served, `weights/…`, and `gpu/limit` when a tensor is larger than the device binds.
 */
export async function forecastNewbie(
  source: NewbieSource,
  footprint: NewbieFootprint,
  precision: Precision,
  caps: Capabilities,
): Promise<readonly NewbieStageForecast[]> {
  const gpu = paperGpu(caps);
  const executor = new PaperExecutor(gpu);
  const engine: Engine = {
    ...{ gpu, executor, precision, pipelines: new PipelineCache(gpu.device) },
    quantise: blocksOnly(footprint.quantise),
  };
  const { width, height, guidance } = footprint;
  const vae = parseAutoencoderConfig(await source.config('vae'));
  const { config } = await openTransformer(source);
  const tokens = Math.min(footprint.tokens, Math.floor((config.axisLengths[0] ?? 0) / 2));
  const ids = { gemma: [0], jina: [0] };
  const request = { ...footprint, prompt: ids, negativePrompt: ids };
  const { patch, channels } = config;
  const grid = checkNewbieRequest(request, { space: pixelsPerLatent(vae), patch, channels });
  const transport = transportOf(request);
  const texts = guidance > 1 ? 2 : 1;
  const branch: Branch = {
    caption: new Float32Array(tokens * config.width),
    modulation: new Float32Array(
      transport.steps.length * modulationParts(config).count * config.width,
    ),
  };
  const parts: readonly (readonly [NewbieStage, times: number, () => Promise<unknown>])[] = [
    ['text', texts, () => readText(engine, source, tokens)],
    [
      'conditions',
      texts,
      async () => {
        const { pooledDim, textDim } = config;
        const pooled = pooledDim === undefined ? undefined : new Float32Array(pooledDim);
        const times = transport.steps.map(({ timestep }) => timestep);
        await computeModulation(engine, SHAPES_ALONE, config, { times, pooled });
        await runOnce(engine, SHAPES_ALONE, (root) => {
          const rows = new Float32Array(tokens * textDim);
          const text = root.graph.constant('text', rows, [tokens, textDim]);
          root.graph.result('caption', nextDitCaption(config)(root)(text));
        });
      },
    ],
    [
      'denoise',
      1,
      () =>
        denoise(engine, SHAPES_ALONE, {
          ...{ config, grid, transport, guidance, prompt: branch, guidanceLimit: 0 },
          ...{ negativePrompt: texts > 1 ? branch : undefined, guideUntil: Infinity },
          noise: new Float32Array(grid.h * grid.w * grid.C),
        }),
    ],
    [
      'decode',
      1,
      async () => {
        const latent = new Float32Array(grid.h * grid.w * grid.C);
        (await decodePicture(engine, SHAPES_ALONE, vae, { latent, grid })).destroy();
      },
    ],
  ];
  const stages: NewbieStageForecast[] = [];
  for (const [stage, times, run] of parts) {
    gpu.restart();
    executor.runs = [];
    await run();
    const work = {
      ...timesWork(sumOfWork(executor.runs), times),
      loadBytes: times * gpu.peak.weights,
      pixels: stage === 'decode' ? width * height : 0,
    };
    stages.push({ stage, peakBytes: gpu.peak.total, largestBuffer: gpu.largest, work });
  }
  return stages;
}

/** Reads a text with both encoders. */
async function readText(engine: Engine, source: NewbieSource, tokens: number): Promise<void> {
  const gemma = parseGemmaConfig(await source.config('text_encoder'));
  const jina = parseJinaConfig(await source.config('clip_model'));
  const last = { layers: gemma.layers.length - 1, finalNorm: false };
  await runOnce(engine, SHAPES_ALONE, (root) => {
    const rows = new Float32Array(tokens * gemma.width);
    root.graph.result('rows', gemmaEncoder(gemma, last)(root)(rows));
  });
  await runOnce(engine, SHAPES_ALONE, (root) => {
    const rows = new Float32Array(tokens * jina.width);
    root.graph.result('rows', jinaEncoder(jina)(root)(rows));
  });
}
