/** How requests are refused before anything is loaded. */
import { EngineError } from '../gpu/errors.ts';

/** Returns the error that `what` of a request is `have` and has to be `need`. */
export const refusal = (
  code: string,
  what: string,
  have: string | number,
  need: string,
): EngineError =>
  new EngineError(code, `${what} — got ${have}, needs ${need} — change the request`, {
    have,
    need,
  });

/** Throws it if something is `wrong`. */
export function refuse(wrong: boolean, ...told: Parameters<typeof refusal>): void {
  if (wrong) throw refusal(...told);
}
