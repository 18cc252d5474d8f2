/**
 * The whole story on one page: a request goes into a model, frames come out and become a file. The built-in model
 * diffuses the motion and moves the picture's own pixels along it; the others imagine every frame.
 */
import type { Gpu } from './gpu/device.ts';
import { assert, EngineError } from './gpu/errors.ts';
import { meterBuffers } from './gpu/memory.ts';
import type { Precision } from './graph/graph.ts';
import type { Size } from './image/fit.ts';
import { Progress } from './progress.ts';
import type { StageCost } from './progress.ts';
import { residentEngine } from './resident.ts';
import type {
  ExpectedStage,
  ModelReport,
  Run,
  RunContext,
  RunFrame,
  RunReport,
  RunRequest,
  RunnableModel,
} from './run.ts';
import type { PrecisionChoice, Settings } from './settings.ts';
import { createMp4Writer } from './video/mp4-writer.ts';
import { pinFirst } from './video/pin-first.ts';
import type { Mp4WriterOptions } from './video/mp4-writer.ts';
import type { SoundCodec } from './video/sound-track.ts';

/**
 * Yields the frames of a run in order; returns the report. The same request on the same adapter gives the same frames,
 * with the same record of timings where there is one. Throws the model's errors, or `AbortError` once `signal` fires.
 */
export async function* run(model: RunnableModel, request: RunRequest, context: RunContext): Run {
  const { gpu, profiler, resume, onProgress = () => undefined } = context;
  const { settings } = request;
  const started = performance.now();
  const precision = precisionFor(settings.precision, gpu);
  const { costs, trust } = costsOf(settings, context);
  const progress = new Progress(costs, onProgress, { trust });
  if (resume) {
    for (const { name } of costs) if (MADE_BEFORE.has(name)) progress.skip(name, 1);
    progress.skip('denoise', resume.step / resume.steps);
  }
  const memory = meterBuffers(gpu.device);
  memory.resetPeak();
  const quantise = model.quantise?.(settings);
  const engine = { ...(await residentEngine(gpu, context)), precision, quantise };
  const frames = model.run(engine, request, {
    ...context,
    progress(stage, done) {
      profiler?.enter(stage);
      progress.advance(stage, done);
    },
  });
  const { picture } = request;
  const pin = settings.pinFirst === true && picture ? pinFirst(picture.data) : undefined;
  const frameHashes: string[] = [];
  let report: ModelReport | undefined;
  for await (const frame of keepingResult(frames, (result) => (report = result))) {
    pin?.(frame.data, frame.index);
    frameHashes.push(await hashOf(frame.data));
    yield frame;
  }
  assert(report, 'a run that ended gave no report');
  const { size, dispatches, submits, understood = [], ignored = [] } = report;
  return {
    ...{ settings, size, dispatches, submits, understood, ignored, frameHashes },
    adapter: gpu.info,
    tier: precision === 'f32' ? 'f32' : gpu.caps.f16 ? 'f16' : 'f32 over f16',
    timings: progress.timings,
    totalMs: performance.now() - started,
    model: report,
    peakGpuBytes: memory.peakBytes,
  };
}

/** What `runToMp4` is given beside. */
export type Mp4Context = RunContext & {
  /** Name and version of the program, written into the file. */
  readonly tool: string;
  /** Called with every frame as it comes, to be shown. */
  readonly onFrame?: ((frame: RunFrame) => void) | undefined;
  /** Encoders, where they are not the host's. */
  readonly codecs?: Pick<Mp4WriterOptions, 'webCodecs' | 'sound'>;
};

/** A finished video. `codec` is the WebCodecs string. */
export type Mp4Result = {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly codec: string;
  readonly soundCodec: SoundCodec | undefined;
  readonly report: RunReport;
};

/**
 * Resolves to the frames of a run as an MP4 file, with its sound where it has some. Throws what `run` and
 * `createMp4Writer` throw, encoders being tried before anything is loaded.
 */
export async function runToMp4(
  model: RunnableModel,
  request: RunRequest,
  context: Mp4Context,
): Promise<Mp4Result> {
  const { settings, picture, sound } = request;
  const { tool, onFrame, codecs } = context;
  const { width, height } = picture ?? sizeOf(settings);
  const writer = await createMp4Writer({
    ...{ width, height, fps: settings.fps, ...(sound && { sound: {} }), ...codecs },
    marking: { tool, settings },
  });
  try {
    let report: RunReport | undefined;
    for await (const frame of keepingResult(
      run(model, request, context),
      (result) => (report = result),
    )) {
      onFrame?.(frame);
      if (frame.sound) await writer.addSound(frame.sound);
      await writer.addFrame(frame.data);
    }
    assert(report, 'a run that ended gave no report');
    const file = await writer.finish();
    return { file, codec: writer.codecString, soundCodec: writer.soundCodec, report };
  } finally {
    writer.abort();
  }
}

/** Yields what `run` yields and hands over what it returns; a consumer that leaves early ends `run` too. */
async function* keepingResult<T, R>(
  frames: AsyncGenerator<T, R, void>,
  keep: (result: R) => void,
): AsyncGenerator<T, void, void> {
  keep(yield* frames);
}

function sizeOf({ size }: Settings): Size {
  if (size) return size;
  throw new EngineError(
    'settings/size',
    'size — got none, needs one where there is no picture — choose a size',
  );
}

/** Stages whose results checkpoints hold. */
const MADE_BEFORE: ReadonlySet<string> = new Set(['text', 'sound', 'picture']);

/** How much expected times count against measured ones. */
const TRUST = 0.1;

/** Costs of all stages: their expected milliseconds, else what they cost on a device like any other. */
function costsOf(
  { steps, frames }: Settings,
  { expected }: RunContext,
): { readonly costs: readonly StageCost[]; readonly trust: number } {
  if (expected) {
    const cost = ({ steps: count, ms }: ExpectedStage): number => ms / Math.max(1, count);
    return { costs: expected.map((stage) => ({ ...stage, cost: cost(stage) })), trust: TRUST };
  }
  const stages = USUAL_COSTS.map(({ name, each, cost }) => ({
    ...{ name, cost },
    steps: each === 'step' ? steps : each === 'frame' ? frames : 1,
  }));
  return { costs: stages, trust: 0 };
}

const USUAL_COSTS = [
  { name: 'load', each: 'run', cost: 10 },
  { name: 'paint', each: 'run', cost: 100 },
  { name: 'sound', each: 'run', cost: 1 },
  { name: 'text', each: 'run', cost: 10 },
  { name: 'picture', each: 'run', cost: 1 },
  { name: 'prepare', each: 'run', cost: 10 },
  { name: 'encode', each: 'run', cost: 1 },
  { name: 'denoise', each: 'step', cost: 20 },
  { name: 'decode', each: 'frame', cost: 1 },
  { name: 'render', each: 'frame', cost: 1 },
] as const;

const precisionFor = (choice: PrecisionChoice, { caps }: Gpu): Precision =>
  choice === 'auto' ? (caps.f16 ? 'f16' : 'f32') : choice;

async function hashOf(bytes: Uint8ClampedArray<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
