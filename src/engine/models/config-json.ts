/** Settings of a released network, as its config.json states them. */
import { EngineError } from '../gpu/errors.ts';

/** The file's object; values are checked where they are read. */
export type Config = Readonly<Record<string, unknown>>;

/** Returns the number under `key`. Throws `weights/config` when there is none and no `fallback`. */
export function numberIn(config: Config, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new EngineError(
    'weights/config',
    `config.json — got ${String(value)} for ${key}, needs a number — use the model's own file`,
  );
}
