/** Typed looks into a case's config, and arrays laid end to end. */
import { EngineError } from '../../src/engine/gpu/errors.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Returns the object under `key`. Throws `verify/config`. */
export function objectIn(json: Json, key: string): Json {
  const value = json[key];
  if (typeof value === 'object' && value !== null) return value as Json;
  throw new EngineError('verify/config', `config.json — got no object ${key}`);
}

/** Returns the number under `key`. Throws `verify/config`. */
export function numberIn(json: Json, key: string): number {
  const value = json[key];
  if (typeof value === 'number') return value;
  throw new EngineError('verify/config', `config.json — got no number ${key}`);
}

/** Returns `parts` laid end to end. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
