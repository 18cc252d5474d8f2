/** The one error class of the engine: a stable code, the place, and what was got against what is needed. */

export type EngineErrorDetails = {
  /** Pipeline stage or object that failed, e.g. `vae/decode`. */
  readonly stage?: string;
  readonly have?: string | number;
  readonly need?: string | number;
  readonly cause?: unknown;
};

/**
 * A failure the caller can act on. `code` is `area/kind` (e.g. `weights/truncated`, `gpu/limit`) and never changes;
 * `message` is for developers and reads "what — got X, needs Y — do Z". The app maps codes to its own wording.
 */
export class EngineError extends Error {
  readonly code: string;
  readonly stage: string | undefined;
  readonly have: string | number | undefined;
  readonly need: string | number | undefined;

  constructor(code: string, message: string, details: EngineErrorDetails = {}) {
    super(
      `${message} (${code})`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = 'EngineError';
    this.code = code;
    this.stage = details.stage;
    this.have = details.have;
    this.need = details.need;
  }
}

/** Throws `EngineError('engine/assert')` unless `condition` holds: for mistakes inside the engine, never for user input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new EngineError('engine/assert', message);
}
