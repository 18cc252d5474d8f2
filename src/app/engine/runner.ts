/** Makes one video: model, memory check, run, and what is done when the device goes away under it. */
import {
  checkMemory,
  EngineError,
  indexedDbStore,
  Profiler,
  readPictureHeader,
  runToMp4,
  submitsOf,
  uprightSize,
  USUAL_SHAPE,
} from '../../engine/index.ts';
import type {
  Checkpoint,
  Gpu,
  ProgressEvent,
  RunFrame,
  RunReport,
  RunRequest,
  RunnableModel,
  Settings,
} from '../../engine/index.ts';
import { decodePicture, decodeWhole } from '../files/picture.ts';
import { checkpointSink, loadCheckpoint } from '../jobs/checkpoints.ts';
import type { CheckpointFiles } from '../jobs/checkpoints.ts';
import { PaceWatch } from '../jobs/estimate.ts';
import type { RunLog, RunRecord } from '../jobs/run-log.ts';
import { createFrameFile } from '../storage/frame-file.ts';
import type { FrameFile } from '../storage/frame-file.ts';
import type { DeviceHolder } from './device.ts';
import { failureOf, smallerPreset } from './failure.ts';
import type { Foretold, Machine } from './machine.ts';
import { adapterName, precisionOf, settingsFor } from './machine.ts';
import type { Models } from './models.ts';
import { nameOf } from './models.ts';
import { picturePng } from './png.ts';
import type { Failure, Finished, Notice, RunEvent, RunWishes, Video } from './protocol.ts';
import { LossCounter, untilStopped } from './stop.ts';

export const PROGRAM = 'Zoetrope 0.1.0';

/** What the runner works with. */
export type RunnerParts = {
  readonly device: DeviceHolder;
  readonly models: Models;
  readonly machine: Machine;
  readonly log: RunLog;
  readonly files: CheckpointFiles;
};

export type RunHooks = {
  readonly signal: AbortSignal;
  readonly finishEarly: AbortSignal;
  readonly tell: (event: RunEvent, transfer?: Transferable[]) => void;
};

/** What is known of a run while it goes on, for its record. */
type Facts = {
  settings?: Settings;
  size?: { readonly width: number; readonly height: number };
  foretold?: Foretold;
  gpu?: Gpu;
  family?: string;
  losses: number;
  /** Whether the device in use has finished any work of the run. */
  worked: boolean;
  resumed: boolean;
  stage: string;
};

const losses = new LossCounter();

/** Resolves to the video of a run. Rejects with a `Failed`; every run is written into the log. */
export async function runJob(
  parts: RunnerParts,
  wishes: RunWishes,
  hooks: RunHooks,
): Promise<Finished> {
  const started = performance.now();
  const facts: Facts = { losses: 0, worked: false, resumed: false, stage: 'load' };
  const heartbeat = setInterval(() => {
    const { stage, gpu } = facts;
    const elapsedMs = performance.now() - started;
    const submits = gpu ? submitsOf(gpu) : 0;
    hooks.tell({ type: 'heartbeat', stage, elapsedMs, submits });
  }, HEARTBEAT_MS);
  try {
    const finished = await untilDone(parts, wishes, hooks, facts);
    await keepRecord(parts.log, recordOf(wishes, facts, started, finished.report));
    if (wishes.checkpoints) await parts.files.remove(wishes.checkpoints).catch(() => undefined);
    return finished;
  } catch (error) {
    const failure = failureOf(error, facts.settings?.preset);
    await keepRecord(parts.log, recordOf(wishes, facts, started, undefined, failure));
    throw new Failed(failure);
  } finally {
    clearInterval(heartbeat);
  }
}

const HEARTBEAT_MS = 500;

/** A failure that is in plain data already. */
export class Failed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Tries again on a new device for as long as losses are few. */
async function untilDone(
  parts: RunnerParts,
  wishes: RunWishes,
  hooks: RunHooks,
  facts: Facts,
): Promise<Finished> {
  let last: Checkpoint | undefined;
  for (;;) {
    const gpu = await (facts.losses === 0 ? parts.device.get() : reopened(parts.device));
    facts.gpu = gpu;
    facts.worked = false;
    hooks.signal.throwIfAborted();
    try {
      const { signal } = hooks;
      return await untilStopped(
        gpu,
        signal,
        (stop) => attempt(parts, gpu, wishes, { ...hooks, signal: stop }, facts, last, keepLast),
        () => parts.device.drop(),
        ({ message: reason }) => {
          const step = last?.step ?? 0;
          hooks.tell({ type: 'notice', notice: { kind: 'device-lost', reason, step } });
        },
      );
    } catch (error) {
      const lost = error instanceof EngineError && error.code === 'gpu/lost';
      if (!lost || hooks.signal.aborted) throw error;
      facts.losses++;
      parts.models.release(undefined); // what it kept went down with the device
      if (losses.take(facts.worked)) {
        const what = 'device — was lost three times within five minutes — use a smaller preset';
        throw new EngineError('gpu/lost-again', what, { stage: facts.stage, cause: error });
      }
    }
  }
  function keepLast(checkpoint: Checkpoint): void {
    last = checkpoint;
  }
}

/** A GPU process that went down takes a moment to come back: until then there is no adapter. */
const COMING_BACK_MS = [250, 250, 500, 1000, 2000];

async function reopened(device: DeviceHolder): Promise<Gpu> {
  let failure: unknown;
  for (const ms of COMING_BACK_MS) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    try {
      return await device.get();
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** One try on one device. */
async function attempt(
  parts: RunnerParts,
  gpu: Gpu,
  wishes: RunWishes,
  { signal, finishEarly, tell }: RunHooks,
  facts: Facts,
  last: Checkpoint | undefined,
  keepLast: (checkpoint: Checkpoint) => void,
): Promise<Finished> {
  const notice = (each: Notice): void => tell({ type: 'notice', notice: each });
  const model = await parts.models.open(wishes.model, {
    ...{ gpu, signal },
    onProgress: (progress) => tell({ type: 'progress', progress }),
  });
  const wished = settingsFor(model, gpu, wishes.settings);
  const request = await requestOf(model, wishes, wished);
  const { settings } = request;
  const size = settings.size ?? { width: 0, height: 0 };
  Object.assign(facts, { settings, size, family: model.family });
  const seconds = request.sound && secondsOf(request.sound);
  const { tune = !gpu.info.software, probe = true, checkpointMs } = wishes.measures ?? {};
  const asked = { model, name: nameOf(wishes.model), settings, size, probe };
  const foretold = await parts.machine.foretell(gpu, {
    ...asked,
    ...(seconds !== undefined && { seconds }),
  });
  facts.foretold = foretold;
  signal.throwIfAborted();
  await checkMemory(gpu, foretold.plan);

  const kind = kindOf(wishes, settings, gpu);
  const resume = last ?? (await storedCheckpoint(parts.files, wishes.checkpoints, kind));
  if (resume) {
    facts.resumed = true;
    notice({ kind: 'resumed', step: resume.step, steps: resume.steps });
  }
  const pace = new PaceWatch(stepMsOf(foretold));
  const onProgress = (progress: ProgressEvent): void => {
    if (signal.aborted) return; // a try that was given up may still be ending
    facts.stage = progress.stage;
    if (progress.step > 0 && progress.stage !== 'load') facts.worked = true;
    tell({ type: 'progress', progress });
    if (progress.stage !== 'denoise') return;
    const factor = pace.take(progress.step, performance.now());
    const smaller = smallerPreset(settings.preset);
    if (factor !== undefined) notice({ kind: 'slow', factor, ...(smaller && { smaller }) });
  };
  const profiler = wishes.measures?.profile === true ? new Profiler(gpu) : undefined;
  const streams = request.sound !== undefined;
  const raw = model.makes === 'picture' ? undefined : await framesKept(wishes, settings, size);
  const context = {
    ...{ gpu, signal, finishEarly, tool: PROGRAM, onProgress },
    ...(foretold.stages && { expected: foretold.stages }),
    keepBytes: foretold.keepBytes,
    ...(profiler && { profiler }),
    ...(tune && timings()),
    ...(resume && { resume }),
    checkpoints: checkpointSink(parts.files, wishes.checkpoints, kind, {
      onSaved(checkpoint) {
        keepLast(checkpoint);
        notice({ kind: 'checkpoint', step: checkpoint.step, steps: checkpoint.steps });
      },
      onError: (error) => notice({ kind: 'no-checkpoint', message: String(error) }),
      ...(checkpointMs !== undefined && { dueMs: checkpointMs }),
    }),
    onPreview: (preview: { data: Uint8ClampedArray<ArrayBuffer> } & PreviewSize) =>
      tell({ type: 'preview', preview }, [preview.data.buffer]),
    onNotice: notice,
    onFrame(frame: RunFrame) {
      raw?.add(frame.data);
      if (streams) tell({ type: 'frame', frame });
    },
  };
  if (model.makes === 'picture') {
    const { video, report } = await picturePng(model, request, context);
    return { video, report, profile: profiler?.spans };
  }
  const { file, codec, soundCodec, report } = await runToMp4(model, request, context).catch(
    async (error: unknown) => {
      await raw?.drop();
      throw error;
    },
  );
  const frameFile = await raw?.finish();
  const { width, height } = report.size;
  const video: Video = {
    ...{ file, type: 'video/mp4', codec, ...(soundCodec && { soundCodec }) },
    ...{ width, height, frames: report.frameHashes.length, fps: settings.fps },
    ...(frameFile !== undefined && { frameFile }),
  };
  return { video, report, profile: profiler?.spans };
}

/** The file that keeps the frames of a run, where they are wanted and there is room. */
const framesKept = async (
  { keepFrames = false }: RunWishes,
  { frames }: Settings,
  { width, height }: NonNullable<Settings['size']>,
): Promise<FrameFile | undefined> =>
  keepFrames ? createFrameFile(4 * width * height * frames) : undefined;

type PreviewSize = {
  readonly width: number;
  readonly height: number;
  readonly step: number;
  readonly steps: number;
};

/** Milliseconds of a step on this machine, where runs have shown it. */
function stepMsOf({ stages, measured }: Foretold): number | undefined {
  const denoise = stages?.find(({ name }) => name === 'denoise');
  return measured && denoise && denoise.steps > 0 ? denoise.ms / denoise.steps : undefined;
}

/** Pictures at the size of the video, and settings with that size. */
async function requestOf(
  model: RunnableModel,
  { picture, lastPicture, sound, focus }: RunWishes,
  wished: Settings,
): Promise<RunRequest> {
  if (!picture) {
    if (model.takes.picture === 'needed') {
      throw new EngineError('image/missing', 'picture — got none, needs one — choose a picture');
    }
    const size = model.sizeFor(USUAL_SHAPE, wished);
    return { settings: { ...wished, size }, sound };
  }
  const shown = uprightSize(readPictureHeader(new Uint8Array(await picture.arrayBuffer())));
  const settings = { ...wished, size: model.sizeFor(shown, wished) };
  return {
    ...{ settings, sound },
    picture: await decodePicture(picture, settings, undefined, focus),
    lastPicture: lastPicture && (await decodePicture(lastPicture, settings, undefined, focus)),
    wholePicture: model.family === 'motion' ? undefined : await decodeWhole(picture),
  };
}

const secondsOf = ({ channels, sampleRate }: NonNullable<RunRequest['sound']>): number =>
  (channels[0]?.length ?? 0) / sampleRate;

/** Of what a checkpoint is: with anything else the same values would mean something else. */
const kindOf = ({ model, focus }: RunWishes, settings: Settings, gpu: Gpu): string =>
  JSON.stringify([model, focus, settings, adapterName(gpu), gpu.caps.f16]);

const storedCheckpoint = async (
  files: CheckpointFiles,
  job: string | undefined,
  kind: string,
): Promise<Checkpoint | undefined> =>
  job === undefined ? undefined : loadCheckpoint(files, job, kind).catch(() => undefined);

/** Where timings of kernels are kept. */
const timings = () => ({
  tuning: indexedDbStore(),
  // Private windows may keep nothing: the run goes on, and the next one times the kernels again.
  onTuningError: (error: unknown) => console.warn('timings of kernels are not kept:', error),
});

/** A log that cannot be written must not cost the video. */
const keepRecord = (log: RunLog, record: RunRecord | undefined): Promise<void> =>
  record
    ? log.add(record).catch((error: unknown) => console.warn('this run is not logged:', error))
    : Promise.resolve();

function recordOf(
  wishes: RunWishes,
  { settings, size, foretold, gpu, family = '', losses: lost, resumed, stage }: Facts,
  started: number,
  report: RunReport | undefined,
  failure?: Failure,
): RunRecord | undefined {
  if (!settings || !size || !gpu) return undefined; // it never came to a model
  const early = report && (report.model.stepsDone ?? settings.steps) < settings.steps;
  const failed = failure?.code === 'cancelled' ? 'cancelled' : 'failed';
  return {
    ...{ id: crypto.randomUUID(), at: Date.now(), model: nameOf(wishes.model), family },
    ...{ preset: settings.preset, width: size.width, height: size.height },
    ...{ frames: settings.frames, steps: settings.steps, adapter: adapterName(gpu) },
    precision: precisionOf(settings, gpu),
    outcome: report ? (early ? 'finished early' : 'done') : failed,
    ...(failure && { code: failure.code, stage: failure.stage ?? stage }),
    totalMs: performance.now() - started,
    timings: report?.timings ?? {},
    work: Object.fromEntries((foretold?.plan.stages ?? []).map(({ name, work }) => [name, work])),
    ...(foretold?.stages && { expectedMs: foretold.stages.reduce((sum, { ms }) => sum + ms, 0) }),
    plannedBytes: foretold?.plan.peakBytes ?? 0,
    peakBytes: report?.peakGpuBytes ?? 0,
    ...{ resumed, losses: lost },
  };
}
