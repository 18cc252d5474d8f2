/** What a command drives in a headless browser: the app's own engine behind a few calls with plain data. */
import { EngineError } from '../engine/index.ts';
import type { RunReport, Settings, SpokenVideo } from '../engine/index.ts';
import { examplePictures, modelNames } from './catalog.ts';
import { AppError, RunError, startEngine } from './engine/client.ts';
import type {
  AdapterState,
  Failure,
  MemoryState,
  ModelChoice,
  Notice,
  RunEvent,
  SpeakWishes,
  Video,
} from './engine/protocol.ts';
import { RunningClock } from './running-clock.ts';
import type { LiveProgress } from './running-clock.ts';
import { decodeSound } from './sound.ts';

export type AutomationJob = {
  /** Address of the picture; absent = the first example. */
  readonly picture?: string;
  /** Address of the picture to arrive at, for models that join two. */
  readonly lastPicture?: string;
  /** A name in this build's catalog or `{ folder }`; absent = the built-in model. */
  readonly model?: ModelChoice;
  readonly settings: Partial<Settings>;
  /** Name under which checkpoints are kept and looked for; none without it. */
  readonly checkpoints?: string;
  /** Milliseconds of work that may be lost. */
  readonly checkpointMs?: number;
};

/** A picture that is to speak. */
export type SpeechJob = {
  /** Address of the picture; absent = the first example. */
  readonly picture?: string;
  /** Address of the sound. */
  readonly sound: string;
  /** Address of the model's folder. */
  readonly folder: string;
  readonly wishes: SpeakWishes;
};

export type SpeechResult =
  | { readonly ok: true; readonly bytes: number; readonly video: Omit<SpokenVideo, 'file'> }
  | { readonly ok: false; readonly failure: Failure };

export type AutomationResult =
  | {
      readonly ok: true;
      readonly bytes: number;
      readonly video: Omit<Video, 'file'>;
      readonly report: RunReport;
    }
  | { readonly ok: false; readonly failure: Failure };

/** A notice or a heartbeat, and when it came. */
export type Noted = {
  readonly atMs: number;
  readonly notice: Notice | { readonly kind: 'heartbeat' | 'preview'; readonly stage?: string };
};

export type Automation = {
  inspect(): Promise<AdapterState | Failure>;
  /** Runs a job; never rejects. The file is kept for `piece`. */
  animate(job: AutomationJob): Promise<AutomationResult>;
  /** Makes a picture speak; never rejects. The file is kept for `piece`. */
  speak(job: SpeechJob): Promise<SpeechResult>;
  /** Progress as of now, undefined before the first report. */
  progress(): LiveProgress | undefined;
  /** What happened beside, in order, each with the milliseconds since the run began. */
  notices(): readonly Noted[];
  /** What the engine holds on the device. */
  memory(): Promise<MemoryState>;
  cancel(): void;
  /** Ends denoising and decodes what there is. */
  finishEarly(): void;
  /** Returns bytes [start, end) of the finished file in base64. */
  piece(start: number, end: number): string;
};

declare global {
  var zoetrope: Automation;
}

const engine = startEngine();
let abort = new AbortController();
let finish = new AbortController();
let began = performance.now();
let notices: Noted[] = [];
let clock = new RunningClock();
let file = new Uint8Array();

const failureOf = (error: unknown): Failure =>
  error instanceof RunError ? error.failure : plainFailure(error);

const plainFailure = (error: unknown): Failure => ({
  code: error instanceof AppError || error instanceof EngineError ? error.code : 'internal',
  message: error instanceof Error ? error.message : String(error),
});

async function fetchFile(address: string): Promise<Blob> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: status ${response.status}`);
  return response.blob();
}

async function fetchPicture(url: string | undefined): Promise<Blob> {
  const address = url ?? examplePictures[0]?.url;
  if (address === undefined) throw new Error('this build has no example picture');
  return fetchFile(address);
}

const onEvent = (event: RunEvent): void => {
  const atMs = performance.now() - began;
  if (event.type === 'progress') clock.take(event.progress);
  else if (event.type === 'notice') notices.push({ atMs, notice: event.notice });
  else if (event.type === 'preview') notices.push({ atMs, notice: { kind: 'preview' } });
  else if (event.type === 'heartbeat') {
    notices.push({ atMs, notice: { kind: 'heartbeat', stage: event.stage } });
  }
};

function begin(): void {
  abort = new AbortController();
  finish = new AbortController();
  clock = new RunningClock();
  began = performance.now();
  notices = [];
}

globalThis.zoetrope = {
  inspect: () => engine.inspect().catch(failureOf),
  async animate({ picture, lastPicture, model, settings, checkpoints, checkpointMs }) {
    begin();
    try {
      const { video, report } = await engine.run(
        {
          picture: await fetchPicture(picture),
          ...(lastPicture !== undefined && { lastPicture: await fetchFile(lastPicture) }),
          model: model ?? { name: modelNames[0] ?? '' },
          settings,
          // Each command starts a browser that remembers nothing: measuring would cost each of them.
          measures: {
            ...{ tune: false, probe: false },
            ...(checkpointMs !== undefined && { checkpointMs }),
          },
          ...(checkpoints !== undefined && { checkpoints }),
        },
        { signal: abort.signal, finishEarly: finish.signal, onEvent },
      );
      const { file: bytes, ...facts } = video;
      file = bytes;
      return { ok: true, bytes: bytes.byteLength, video: facts, report };
    } catch (error) {
      return { ok: false, failure: failureOf(error) };
    }
  },
  async speak({ picture, sound, folder, wishes }) {
    begin();
    try {
      const { file: bytes, ...video } = await engine.speak(
        {
          picture: await fetchPicture(picture),
          sound: await decodeSound(await fetchFile(sound)),
          ...{ folder: new URL(folder, location.href).href, wishes },
        },
        { signal: abort.signal, onEvent },
      );
      file = bytes;
      return { ok: true, bytes: bytes.byteLength, video };
    } catch (error) {
      return { ok: false, failure: failureOf(error) };
    }
  },
  progress: () => clock.read(),
  notices: () => notices,
  memory: () => engine.memory(),
  cancel: () => abort.abort(),
  finishEarly: () => finish.abort(),
  piece(start, end) {
    let text = '';
    for (const byte of file.subarray(start, end)) text += String.fromCharCode(byte);
    return btoa(text);
  },
};
