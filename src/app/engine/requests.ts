/** What the engine's worker does beyond saying what it runs on: runs, estimates, speech; one after another. */
import {
  meterBuffers,
  residentEngine,
  speakToMp4,
  urlFiles,
  USUAL_SHAPE,
} from '../../engine/index.ts';
import type { Gpu, RunnableModel } from '../../engine/index.ts';
import { decodeWhole } from '../files/picture.ts';
import { privateFiles } from '../jobs/checkpoints.ts';
import { databaseStore } from '../jobs/database.ts';
import { openRunLog } from '../jobs/run-log.ts';
import { whileGenerating } from '../trust/generation-lock.ts';
import { failureOf } from './failure.ts';
import { knowMachine, settingsFor } from './machine.ts';
import { holdModel, keyOf, nameOf, openForPlan } from './models.ts';
import { device } from './own-device.ts';
import type {
  Estimate,
  EstimateWishes,
  ModelChoice,
  LaterRequest,
  Response,
  RunEvent,
  SpeechWishes,
} from './protocol.ts';
import type { RunHooks } from './runner.ts';
import { Failed, PROGRAM, runJob } from './runner.ts';
import { untilStopped } from './stop.ts';

const models = holdModel();
const log = openRunLog(databaseStore('runs'));
const machine = knowMachine(databaseStore('speeds'), log);
const parts = { device, models, machine, log, files: privateFiles() };

type Stops = { readonly cancel: AbortController; readonly finish: AbortController };
const running = new Map<number, Stops>();
/** Runs and measurements follow one another: they would slow each other down, and memory is planned for one. */
let last: Promise<unknown> = Promise.resolve();

const answer = (response: Response, transfer: Transferable[] = []): void =>
  postMessage(response, { transfer });

/** Resolves to what `work` gives once all that was asked before is over. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work);
  last = turn.catch(() => undefined);
  return turn;
}

/** Runs `work` in its turn with what can stop it. */
async function stoppable<T>(id: number, work: (hooks: RunHooks) => Promise<T>): Promise<T> {
  const stops = { cancel: new AbortController(), finish: new AbortController() };
  running.set(id, stops);
  const tell = (event: RunEvent, transfer: Transferable[] = []): void =>
    answer({ type: 'event', id, event }, transfer);
  const hooks = { signal: stops.cancel.signal, finishEarly: stops.finish.signal, tell };
  try {
    return await inTurn(() => {
      hooks.signal.throwIfAborted();
      return whileGenerating(() => work(hooks));
    });
  } finally {
    running.delete(id);
  }
}

async function speak({ picture, sound, folder, wishes }: SpeechWishes, { signal, tell }: RunHooks) {
  const gpu = await device.get();
  const whole = { ...(await decodeWhole(picture)), channels: 4 };
  const drop = (): void => device.drop();
  return untilStopped(
    gpu,
    signal,
    (stop) =>
      speakToMp4({
        ...{ ...wishes, gpu, picture: whole, sound, signal: stop, tool: PROGRAM },
        onProgress: (progress) => tell({ type: 'progress', progress }),
        model: urlFiles(folder, { signal: stop }),
      }),
    drop,
  );
}

const plans = new Map<string, Promise<RunnableModel>>();

/** Models to be planned; they hold nothing on the device and need not wait for the one that runs. */
function planned(choice: ModelChoice, gpu: Gpu): Promise<RunnableModel> {
  const key = keyOf(choice);
  const model = plans.get(key) ?? openForPlan(choice, gpu, new AbortController().signal);
  plans.set(key, model);
  model.catch(() => plans.delete(key));
  return model;
}

async function estimate({
  model: choice,
  picture,
  seconds,
  settings,
}: EstimateWishes): Promise<Estimate> {
  const gpu = await device.get();
  const model = await planned(choice, gpu);
  const wished = settingsFor(model, gpu, settings);
  const size = model.sizeFor(picture ?? USUAL_SHAPE, wished);
  const asked = { model, name: nameOf(choice), settings: { ...wished, size }, size, probe: true };
  const foretold = await machine.foretell(gpu, {
    ...asked,
    ...(seconds !== undefined && { seconds }),
  });
  const { frames, fps, steps } = wished;
  return { ...foretold.estimate, run: { size, frames, fps, steps, takes: model.takes } };
}

async function release(): Promise<void> {
  const gpu = await device.get();
  models.release(gpu);
  await residentEngine(gpu, { keepBytes: 0 }); // frees what the keeper holds
}

/** Does what is asked and answers; never rejects. */
export async function handle(request: LaterRequest): Promise<void> {
  const { id } = request;
  try {
    switch (request.type) {
      case 'cancel':
        return running.get(id)?.cancel.abort();
      case 'finish':
        return running.get(id)?.finish.abort();
      case 'memory': {
        const { liveBytes, peakBytes } = meterBuffers((await device.get()).device);
        return answer({ type: 'memory', id, memory: { liveBytes, peakBytes } });
      }
      case 'estimate': {
        // A probe would disturb a run, and be wrong; what runs has been measured before.
        const work = (): Promise<Estimate> => estimate(request.wishes);
        const given = await (running.size > 0 ? work() : inTurn(work));
        return answer({ type: 'estimated', id, estimate: given });
      }
      case 'run': {
        const finished = await stoppable(id, (hooks) => runJob(parts, request.wishes, hooks));
        return answer({ type: 'finished', id, ...finished }, [finished.video.file.buffer]);
      }
      case 'speak': {
        const video = await stoppable(id, (hooks) => speak(request.wishes, hooks));
        return answer({ type: 'spoken', id, video }, [video.file.buffer]);
      }
      case 'release':
        await inTurn(release);
        return answer({ type: 'released', id });
    }
  } catch (error) {
    const failure = error instanceof Failed ? error.failure : failureOf(error);
    answer({ type: 'failed', id, failure });
  }
}
