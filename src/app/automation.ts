/** What a command drives in a headless browser: the app's own engine behind a few calls with plain data. */
import { EngineError } from '../engine/index.ts';
import type { RunReport, Settings, SpokenVideo } from '../engine/index.ts';
import { examplePictures, modelNames } from './catalog.ts';
import { AppError, startEngine } from './engine/client.ts';
import type {
  AdapterState,
  Failure,
  ModelChoice,
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

export type Automation = {
  inspect(): Promise<AdapterState | Failure>;
  /** Runs a job; never rejects. The file is kept for `piece`. */
  animate(job: AutomationJob): Promise<AutomationResult>;
  /** Makes a picture speak; never rejects. The file is kept for `piece`. */
  speak(job: SpeechJob): Promise<SpeechResult>;
  /** Progress as of now, undefined before the first report. */
  progress(): LiveProgress | undefined;
  cancel(): void;
  /** Returns bytes [start, end) of the finished file in base64. */
  piece(start: number, end: number): string;
};

declare global {
  var zoetrope: Automation;
}

const engine = startEngine();
let abort = new AbortController();
let clock = new RunningClock();
let file = new Uint8Array();

const failureOf = (error: unknown): Failure => ({
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
  if (event.type === 'progress') clock.take(event.progress);
};

function begin(): void {
  abort = new AbortController();
  clock = new RunningClock();
}

globalThis.zoetrope = {
  inspect: () => engine.inspect().catch(failureOf),
  async animate({ picture, lastPicture, model, settings }) {
    begin();
    try {
      const { video, report } = await engine.run(
        {
          picture: await fetchPicture(picture),
          ...(lastPicture !== undefined && { lastPicture: await fetchFile(lastPicture) }),
          model: model ?? { name: modelNames[0] ?? '' },
          settings,
          // Each command starts a browser that remembers nothing: measuring would cost each of them.
          measures: { tune: false, probe: false },
        },
        { signal: abort.signal, onEvent },
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
  cancel: () => abort.abort(),
  piece(start, end) {
    let text = '';
    for (const byte of file.subarray(start, end)) text += String.fromCharCode(byte);
    return btoa(text);
  },
};
