/** Errors of a run as plain data, with a smaller preset to offer where that helps. */
import { EngineError, PRESETS } from '../../engine/index.ts';
import type { Preset } from '../../engine/index.ts';
import type { Failure } from './protocol.ts';

/** Failures that a smaller preset may mend. */
const TOO_LARGE: readonly string[] = ['gpu/memory', 'gpu/limit', 'gpu/lost', 'gpu/lost-again'];

/** Returns the next smaller preset; undefined below the smallest. */
export const smallerPreset = (preset: Preset): Preset | undefined =>
  PRESETS[PRESETS.indexOf(preset) - 1];

/** Returns an error as plain data; a cancelled run has the code `cancelled`. */
export function failureOf(error: unknown, preset?: Preset): Failure {
  if (error instanceof EngineError) {
    const { code, message, stage, have, need } = error;
    const smaller = preset && TOO_LARGE.includes(code) ? smallerPreset(preset) : undefined;
    return {
      ...{ code, message, ...(stage !== undefined && { stage }) },
      ...(have !== undefined && { have }),
      ...(need !== undefined && { need }),
      ...(smaller && { smaller }),
    };
  }
  if (error instanceof DOMException && error.name === 'AbortError') {
    return { code: 'cancelled', message: 'cancelled' };
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}
