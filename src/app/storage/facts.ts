/** What is kept of a finished video beside its bytes. */
import { EngineError } from '../../engine/index.ts';
import type { Settings } from '../../engine/index.ts';

/** A finished video, without its bytes. */
export type ResultFacts = {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Name of the model or of its folder. */
  readonly model: string;
  readonly settings: Partial<Settings>;
  /** `video/mp4`, or `image/png` of a model that makes pictures. */
  readonly type: string;
  /** WebCodecs string; `png` for a picture. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps: number;
  /** Bytes of the video. */
  readonly bytes: number;
  readonly hasSound: boolean;
  /** Name of the file with its frames as they were made, while there is room for it. */
  readonly frameFile?: string;
  /** What it is about, by name, e.g. for a list; never part of a file that is saved. */
  readonly pictureName?: string;
};

/** Returns what a stored text says. Throws `storage/damaged` for one that was not written by this app. */
export function parseFacts(text: string): ResultFacts {
  const facts = parsedOr(text) as Partial<ResultFacts> | undefined;
  const numbers = [facts?.createdAt, facts?.width, facts?.height, facts?.frames, facts?.fps];
  const words = [facts?.id, facts?.model, facts?.type, facts?.codec];
  const isWhole =
    numbers.every((value) => typeof value === 'number' && Number.isFinite(value)) &&
    words.every((value) => typeof value === 'string') &&
    typeof facts?.settings === 'object';
  if (isWhole) return facts as ResultFacts;
  throw new EngineError(
    'storage/damaged',
    'stored video — got facts that make no sense, needs those of this app — delete it',
  );
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
