/** I2VGen-XL and DynamiCrafter in the shape of a run. */
import { EngineError } from './gpu/errors.ts';
import type { WeightPolicy } from './graph/graph.ts';
import { NO_WORK } from './graph/work.ts';
import { coloursOf, pixelsOf } from './image/colours.ts';
import type { Raster } from './image/resize.ts';
import type { OpenDynamiCrafter } from './models/dynamicrafter/open.ts';
import { generateDynamiCrafter } from './models/dynamicrafter/pipeline.ts';
import type { DynamiCrafterMode, DynamiCrafterRequest } from './models/dynamicrafter/request.ts';
import { EMPTY_PROMPT, TEXT_TOWER } from './models/dynamicrafter/see.ts';
import type { DynamiCrafterVariant } from './models/dynamicrafter/variants.ts';
import { PREVIEW_SIZES, VARIANTS } from './models/dynamicrafter/variants.ts';
import type { OpenI2vgen } from './models/i2vgenxl/open.ts';
import { generateI2vgen } from './models/i2vgenxl/pipeline.ts';
import type { I2vgenRequest } from './models/i2vgenxl/pipeline.ts';
import { parseTextConfig } from './models/openclip/text.ts';
import type { ClipForecast, ClipGround } from './models/unet3d/forecast.ts';
import { forecastClip, PAPER_STEPS, paperWeights } from './models/unet3d/forecast.ts';
import type { ClipFrame, ClipOptions } from './models/unet3d/clip-pipeline.ts';
import { clipPolicy } from './models/unet3d/policy.ts';
import type { Engine } from './nn/run-once.ts';
import { samplingHooks } from './sampling/checkpoint.ts';
import { needPicture } from './run.ts';
import type {
  ModelContext,
  ModelReport,
  Picture,
  PlanRequest,
  RunFrame,
  RunnableModel,
  RunPlan,
  RunRequest,
} from './run.ts';
import type { Settings } from './settings.ts';
import { outputSize } from './settings.ts';
import type { TextTokenizer } from './tokenizers/tokenizer.ts';
import { policyFor } from './weights/policy.ts';

/** What I2VGen-XL is asked not to show, in the words of its authors' examples. */
const I2VGEN_NEGATIVE_PROMPT =
  'Distorted, discontinuous, Ugly, blurry, low resolution, motionless, static, disfigured, disconnected limbs, Ugly faces, incomplete arms';

/** The same policies each time: what stays on the device is known by them. */
const POLICIES = { int8: clipPolicy(policyFor('int8')), int4: clipPolicy(policyFor('int4')) };

/** Products of integers cost these networks 4 to 8 dB more than their weights do: docs/quantised-weights.md. */
function quantise({ weights }: Settings): WeightPolicy | undefined {
  if (weights !== 'w8a8') return weights && POLICIES[weights];
  throw new EngineError(
    'settings/weights',
    'weights — got w8a8, with which this model loses too much, needs int8 or int4 — choose int8',
    { have: weights },
  );
}

/** Frames and frames a second of the file that all these models were released with. */
const RELEASED = { frames: 16, fps: 8, steps: 50 } as const;

/** I2VGen-XL takes any size; the picture is fitted to these long sides where none is asked for. */
const LONG_SIDES = { preview: 256, standard: 512, high: 1280 } as const;

/** Returns the model of `files`; throws nothing before it is planned or run. */
export function runnableI2vgen({ source, tokens }: OpenI2vgen): RunnableModel {
  const requestOf = ({
    settings,
    picture,
    lastPicture,
    wholePicture,
  }: RunRequest): I2vgenRequest => {
    const shown = needPicture(picture);
    const { negativePrompt = I2VGEN_NEGATIVE_PROMPT, frames, steps, seed } = settings;
    if (lastPicture) throw twoPictures('I2VGen-XL');
    return {
      ...{ prompt: tokens(settings.prompt), negativePrompt: tokens(negativePrompt) },
      ...{ image: bytesOf(shown), width: shown.width, height: shown.height },
      ...(wholePicture && { clipImage: bytesOf(wholePicture) }),
      ...{ frames, steps, seed, ...sampling(settings) },
    };
  };
  return {
    family: 'i2vgenxl',
    makes: 'video',
    takes: { picture: 'needed', lastPicture: 'no', sound: 'no', prompt: 'possible' },
    presets: {
      preview: { ...RELEASED, frames: 8, steps: 30 },
      standard: { ...RELEASED, steps: 40 },
      high: RELEASED,
    },
    quantise,
    sizeFor: (picture, settings) =>
      outputSize(picture, settings, SIDE_MULTIPLE, LONG_SIDES[settings.preset]),
    plan: planner(async ({ settings, size }, ground) => {
      refuseLoop(settings, false);
      const { width, positions } = parseTextConfig(await source.config('text_encoder'));
      const paper = { ...source, weights: async () => paperWeights(width, positions) };
      const blank = {
        ...size,
        channels: 3,
        data: new Uint8ClampedArray(3 * size.width * size.height),
      };
      const prompt = EMPTY_PROMPT.slice(0, positions).map(() => 0);
      const request = {
        ...{ prompt, negativePrompt: prompt, image: blank, ...size },
        ...{ frames: settings.frames, steps: PAPER_STEPS, ...sampling(settings) },
      };
      return forecastClip(ground, settings.steps, (engine, options) =>
        generateI2vgen(engine, paper, request, options),
      );
    }),
    run: (engine, request, context) => {
      refuseLoop(request.settings, false);
      return runClip('i2vgenxl', engine, request, context, request.settings.frames, (options) =>
        generateI2vgen(engine, source, requestOf(request), options),
      );
    },
  };
}

const SIDE_MULTIPLE = 8;

/** A DynamiCrafter that is opened, and which of the released ones it is. */
export type DynamiCrafterFiles = OpenDynamiCrafter & { readonly variant: DynamiCrafterVariant };

/** Returns the model of `files`; throws nothing before it is planned or run. */
export function runnableDynamiCrafter(files: DynamiCrafterFiles): RunnableModel {
  const { source, tokens, variant } = files;
  const { width, height, joins } = VARIANTS[variant];
  const modeOf = ({ loop }: Settings, last: unknown): DynamiCrafterMode =>
    loop ? 'loop' : last ? 'interpolation' : 'video';
  const requestOf = (request: RunRequest): DynamiCrafterRequest => {
    const { settings, picture, lastPicture, wholePicture } = request;
    refuseOthers(settings, joins);
    if (lastPicture && !joins) throw twoPictures(`DynamiCrafter ${variant}`);
    const { steps, seed, imageGuidance } = settings;
    return {
      mode: modeOf(settings, lastPicture),
      prompt: needTokens(tokens)(settings.prompt),
      image: signedOf(needPicture(picture)),
      ...(lastPicture && { lastImage: signedOf(lastPicture) }),
      ...(wholePicture && { clipImage: signedOf(wholePicture) }),
      ...{ steps, seed, ...sampling(settings) },
      ...(imageGuidance !== undefined && { imageGuidance }),
    };
  };
  return {
    family: 'dynamicrafter',
    makes: 'video',
    takes: {
      ...{ picture: 'needed', lastPicture: joins ? 'possible' : 'no' },
      ...{ sound: 'no', prompt: 'possible' },
    },
    presets: {
      preview: { ...RELEASED, steps: 25 },
      standard: RELEASED,
      high: RELEASED,
    },
    quantise,
    // Each was trained at one size alone; the picture is cropped to it.
    sizeFor: (_, { size, preset }) =>
      size ?? (preset === 'preview' ? PREVIEW_SIZES[variant] : { width, height }),
    plan: planner(async ({ settings, size }, ground) => {
      refuseOthers(settings, joins);
      const { width: columns, positions } = TEXT_TOWER;
      const paper = { ...source, weights: async () => paperWeights(columns, positions) };
      const image = { ...size, channels: 3, data: new Float32Array(3 * size.width * size.height) };
      const { imageGuidance } = settings;
      const request = {
        ...{ prompt: EMPTY_PROMPT, image, steps: PAPER_STEPS, ...sampling(settings) },
        ...(imageGuidance !== undefined && { imageGuidance }),
      };
      return forecastClip(ground, settings.steps, (engine, options) =>
        generateDynamiCrafter(engine, paper, request, options),
      );
    }),
    run: (engine, request, context) => {
      const asked = requestOf(request);
      const count = asked.mode === 'loop' ? RELEASED.frames - 1 : RELEASED.frames;
      return runClip('dynamicrafter', engine, request, context, count, (options) =>
        generateDynamiCrafter(engine, source, asked, options),
      );
    },
  };
}

/** Settings that both samplers take. */
const sampling = ({ guidance, rate, eta }: Settings) => ({
  ...(guidance !== undefined && { guidance }),
  ...(rate !== undefined && { rate }),
  ...(eta !== undefined && { eta }),
});

/** Turns forecasts into plans, the last one remembered: pages ask again and again. */
function planner(
  forecast: (asked: PlanRequest, ground: ClipGround) => Promise<ClipForecast>,
): RunnableModel['plan'] {
  let known: { readonly key: string; readonly plan: Promise<RunPlan> } | undefined;
  return async (asked, caps) => {
    const { settings, size, precision } = asked;
    const { frames, steps, guidance = 0, imageGuidance = 0, eta, weights, loop } = settings;
    const decisive = {
      size,
      precision,
      frames,
      steps,
      guidance,
      imageGuidance,
      eta,
      weights,
      loop,
    };
    const key = JSON.stringify([decisive, caps]);
    if (known?.key === key) return known.plan;
    const ground = { caps, precision, quantise: quantise(settings) };
    const plan = forecast(asked, ground).then(({ stages, ...memory }) => ({
      ...memory,
      stages: [
        { name: 'load', steps: 1, work: NO_WORK },
        ...stages.map(({ stage, work }) => ({
          ...{ name: stage, work },
          steps: stage === 'denoise' ? steps : stage === 'decode' ? frames : 1,
        })),
      ],
    }));
    known = { key, plan };
    plan.catch(() => (known = undefined));
    return plan;
  };
}

async function* runClip(
  family: string,
  { executor }: Engine,
  { picture }: RunRequest,
  { progress, onPreview, onNotice, signal, ...hooks }: ModelContext,
  count: number,
  start: (options: ClipOptions) => AsyncGenerator<ClipFrame, void, void>,
): AsyncGenerator<RunFrame, ModelReport, void> {
  const { width, height } = needPicture(picture);
  const before = executor.stats;
  let stepsDone = 0;
  progress('load', 0);
  const frames = start({
    ...samplingHooks(hooks),
    ...(signal && { signal }),
    onProgress: ({ stage, done }) => progress(stage, done),
    onPreview:
      onPreview &&
      ((small, step, steps) =>
        onPreview({
          ...{ width: small.width, height: small.height, data: pixelsOf(small.data) },
          ...{ step, steps },
        })),
    onDecodeInF32: () => onNotice?.({ kind: 'decoded-in-f32', stage: 'decode' }),
    onSampled: (steps) => (stepsDone = steps),
  });
  for await (const { data, ...frame } of frames) yield { ...frame, count, data: pixelsOf(data) };
  const after = executor.stats;
  return {
    ...{ family, size: { width, height }, stepsDone },
    dispatches: after.dispatches - before.dispatches,
    submits: after.submits - before.submits,
  };
}

function needTokens(tokens: TextTokenizer | undefined): TextTokenizer {
  if (tokens) return tokens;
  throw new EngineError(
    'text/tokenizer',
    'model — got a folder without tokenizer.json, or vocab.json and merges.txt — add those of CLIP',
  );
}

function refuseLoop({ loop }: Settings, joins: boolean): void {
  if (!loop || joins) return;
  throw new EngineError(
    'settings/loop',
    'loop — got a model that makes none, needs DynamiCrafter for interpolation — leave it out',
  );
}

/** What DynamiCrafter cannot make: loops by models that do not join pictures, other numbers of frames. */
function refuseOthers(settings: Settings, joins: boolean): void {
  refuseLoop(settings, joins);
  const { frames } = settings;
  if (frames === RELEASED.frames) return;
  throw new EngineError(
    'settings/frames',
    `frames — got ${frames}, needs ${RELEASED.frames}: the model makes no other number — leave it out`,
    { have: frames, need: RELEASED.frames },
  );
}

const twoPictures = (model: string): EngineError =>
  new EngineError(
    'clip/image',
    `${model} — got two pictures, takes one picture — leave one out, or use DynamiCrafter for interpolation`,
  );

/** RGBA -> RGB. */
function bytesOf({ width, height, data }: Picture): Raster<Uint8ClampedArray> {
  const rgb = new Uint8ClampedArray(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[4 * i + c] ?? 0;
  }
  return { width, height, channels: 3, data: rgb };
}

/** RGBA -> RGB in −1 … 1. */
const signedOf = (picture: Picture): Raster => coloursOf({ ...picture, channels: 4 }, -1);
