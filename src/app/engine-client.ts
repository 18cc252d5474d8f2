/** The page's side of the worker: requests as promises, with progress and cancel. */
import workerUrl from './worker.ts?worker&url';
import type {
  AnimateReport,
  ProgressEvent,
  Settings,
  Sound,
  Span,
  SpokenVideo,
} from '../engine/index.ts';
import type {
  AdapterState,
  Failure,
  Measures,
  ModelChoice,
  Request,
  Response,
  SpeakWishes,
  Video,
} from './protocol.ts';
import { trustedWorkerUrl } from './trust/worker-url.ts';

/** A failure told by the worker. */
export class AppError extends Error {
  readonly code: string;

  constructor({ code, message }: Failure) {
    super(message);
    this.name = 'AppError';
    this.code = code;
  }
}

export type AnimateRequest = {
  readonly picture: Blob;
  readonly model: ModelChoice;
  readonly settings: Partial<Settings>;
  readonly measures?: Measures;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
};

export type SpeakRequest = {
  readonly picture: Blob;
  readonly sound: Sound;
  /** Address of the model's folder. */
  readonly folder: string;
  readonly wishes: SpeakWishes;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
};

export type Finished = {
  readonly video: Video;
  readonly report: AnimateReport;
  readonly profile: readonly Span[] | undefined;
};

export type EngineClient = {
  /** Resolves to what the engine runs on. Rejects with `AppError`: `gpu/unsupported`, `gpu/no-adapter`, `gpu/device`. */
  inspect(): Promise<AdapterState>;
  /** Resolves to the video. Rejects with `AppError`; a cancelled run has the code `cancelled`. */
  animate(request: AnimateRequest): Promise<Finished>;
  /** Resolves to the video of a picture that speaks. Rejects likewise. */
  speak(request: SpeakRequest): Promise<SpokenVideo>;
};

type Answer = Exclude<Response, { type: 'progress' }>;
type Waiting = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: AppError) => void;
  readonly onProgress: ((event: ProgressEvent) => void) | undefined;
};

/** Starts the worker once `ready`; what is asked before that waits. */
export function startEngine(ready: Promise<unknown> = Promise.resolve()): EngineClient {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  const hear = ({ data }: MessageEvent<Response>): void => {
    const entry = waiting.get(data.id);
    if (!entry) return;
    if (data.type === 'progress') {
      entry.onProgress?.(data.event);
      return;
    }
    waiting.delete(data.id);
    if (data.type === 'failed') entry.reject(new AppError(data.failure));
    else entry.resolve(data);
  };
  const fail = (message: string): void => {
    const failure = { code: 'internal', message: message || 'the worker did not start' };
    for (const { reject } of waiting.values()) reject(new AppError(failure));
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

  const ask = (
    request: (id: number) => Request,
    { signal, onProgress }: Pick<AnimateRequest, 'signal' | 'onProgress'> = {},
  ): Promise<Answer> => {
    const id = ++lastId;
    const answer = new Promise<Answer>((resolve, reject) => {
      waiting.set(id, { resolve, reject, onProgress });
    });
    post(request(id));
    const cancel = (): void => post({ type: 'cancel', id });
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    return answer.finally(() => signal?.removeEventListener('abort', cancel));
  };

  return {
    async inspect() {
      const answer = await ask((id) => ({ type: 'inspect', id }));
      if (answer.type !== 'inspected') throw unexpected(answer);
      return answer.adapter;
    },
    async animate({ picture, model, settings, measures = {}, ...options }) {
      const answer = await ask(
        (id) => ({ type: 'animate', id, picture, model, settings, measures }),
        options,
      );
      if (answer.type !== 'finished') throw unexpected(answer);
      return answer;
    },
    async speak({ picture, sound, folder, wishes, ...options }) {
      const answer = await ask(
        (id) => ({ type: 'speak', id, picture, sound, folder, wishes }),
        options,
      );
      if (answer.type !== 'spoken') throw unexpected(answer);
      return answer.video;
    },
  };
}

const unexpected = ({ type }: Answer): AppError =>
  new AppError({ code: 'internal', message: `the worker answered "${type}"` });
