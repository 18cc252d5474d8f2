/** The page's side of the worker: runs and questions as promises, with events on the way. */
import workerUrl from './worker.ts?worker&url';
import { AppError } from '../app-error.ts';
import type { SpokenVideo } from '../../engine/index.ts';
import { trustedWorkerUrl } from '../trust/worker-url.ts';
import type {
  AdapterState,
  Estimate,
  EstimateWishes,
  Failure,
  Finished,
  MemoryState,
  Request,
  Response,
  RunEvent,
  RunWishes,
  SpeechWishes,
} from './protocol.ts';

export { AppError } from '../app-error.ts';

/** A failure of a run, with all that the worker told of it. */
export class RunError extends AppError {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure);
    this.name = 'RunError';
    this.failure = failure;
  }
}

export type RunHandlers = {
  /** Ends the run; it rejects with the code `cancelled` once the device is idle. */
  readonly signal?: AbortSignal;
  /** Ends denoising; the run resolves to what there is. */
  readonly finishEarly?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
};

export type EngineClient = {
  /** Resolves to what the engine runs on. Rejects with `AppError`: `gpu/unsupported`, `gpu/no-adapter`, `gpu/device`, `gpu/timeout`. */
  inspect(): Promise<AdapterState>;
  /** Resolves to what a run will take on this machine, measuring it first where that was not done yet (1 to 2 seconds). */
  estimate(wishes: EstimateWishes): Promise<Estimate>;
  /** Resolves to the video. Rejects with `RunError`; a cancelled run has the code `cancelled`. */
  run(wishes: RunWishes, handlers?: RunHandlers): Promise<Finished>;
  /** Resolves to the video of a picture that speaks. Rejects like `run`. */
  speak(wishes: SpeechWishes, handlers?: RunHandlers): Promise<SpokenVideo>;
  /** Resolves to what the engine holds on the device. */
  memory(): Promise<MemoryState>;
  /** Frees the model that stays on the device between runs. */
  release(): Promise<void>;
};

type Answer = Exclude<Response, { type: 'event' }>;
type Waiting = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RunError) => void;
  readonly onEvent: ((event: RunEvent) => void) | undefined;
};

/** Starts the worker once `ready`; what is asked before that waits. */
export function startEngine(ready: Promise<unknown> = Promise.resolve()): EngineClient {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  const hear = ({ data }: MessageEvent<Response>): void => {
    const entry = waiting.get(data.id);
    if (!entry) return;
    if (data.type === 'event') {
      entry.onEvent?.(data.event);
      return;
    }
    waiting.delete(data.id);
    if (data.type === 'failed') entry.reject(new RunError(data.failure));
    else entry.resolve(data);
  };
  const fail = (message: string): void => {
    const failure = { code: 'internal', message: message || 'the worker did not start' };
    for (const { reject } of waiting.values()) reject(new RunError(failure));
    waiting.clear();
  };
  const starting = ready.then(() => {
    const worker = new Worker(trustedWorkerUrl(workerUrl), { type: 'module', name: 'engine' });
    worker.addEventListener('message', hear);
    worker.addEventListener('error', ({ message }) => fail(message));
    return worker;
  });
  const post = (request: Request): void => {
    starting.then(
      (worker) => worker.postMessage(request),
      (error: unknown) => fail(String(error)),
    );
  };

  const ask = async <T extends Answer['type']>(
    type: T,
    request: (id: number) => Request,
    { signal, finishEarly, onEvent }: RunHandlers = {},
  ): Promise<Extract<Answer, { type: T }>> => {
    const id = ++lastId;
    const answer = new Promise<Answer>((resolve, reject) => {
      waiting.set(id, { resolve, reject, onEvent });
    });
    post(request(id));
    const forget = [
      onAbort(signal, () => post({ type: 'cancel', id })),
      onAbort(finishEarly, () => post({ type: 'finish', id })),
    ];
    try {
      const given = await answer;
      if (isOf(given, type)) return given;
      throw new RunError({ code: 'internal', message: `the worker answered "${given.type}"` });
    } finally {
      for (const each of forget) each();
    }
  };

  return {
    inspect: async () => (await ask('inspected', (id) => ({ type: 'inspect', id }))).adapter,
    estimate: async (wishes) =>
      (await ask('estimated', (id) => ({ type: 'estimate', id, wishes }))).estimate,
    run: (wishes, handlers) => ask('finished', (id) => ({ type: 'run', id, wishes }), handlers),
    speak: async (wishes, handlers) =>
      (await ask('spoken', (id) => ({ type: 'speak', id, wishes }), handlers)).video,
    memory: async () => (await ask('memory', (id) => ({ type: 'memory', id }))).memory,
    release: async () => void (await ask('released', (id) => ({ type: 'release', id }))),
  };
}

const isOf = <T extends Answer['type']>(
  answer: Answer,
  type: T,
): answer is Extract<Answer, { type: T }> => answer.type === type;

/** Calls `act` when `signal` fires or has fired; returns what ends that. */
function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted) act();
  signal?.addEventListener('abort', act, { once: true });
  return () => signal?.removeEventListener('abort', act);
}
