/** Sound as the engine holds it. */
import { EngineError } from '../gpu/errors.ts';

export type Sound = {
  /** Samples of each channel, −1 … 1, all of one length. */
  readonly channels: readonly Float32Array[];
  /** Samples a second. */
  readonly sampleRate: number;
};

/** Returns the mean of all channels. */
export function mono({ channels: [first = new Float32Array(), ...rest] }: Sound): Float32Array {
  if (rest.length === 0) return first;
  const count = rest.length + 1;
  return first.map((x, i) => rest.reduce((sum, other) => sum + (other[i] ?? 0), x) / count);
}

/**
 * Throws `audio/empty` without any sample, `audio/rate` for a rate that no sound has, `audio/values` for samples that
 * are not finite or channels of different lengths.
 */
export function checkSound({ channels, sampleRate }: Sound): void {
  const length = channels[0]?.length ?? 0;
  if (length === 0) {
    throw new EngineError('audio/empty', 'sound — got no samples, needs some — use another file');
  }
  if (!(sampleRate >= 1000 && sampleRate <= 768_000)) {
    throw new EngineError(
      'audio/rate',
      `sound — got ${sampleRate} samples a second, needs 1000 to 768000 — use another file`,
      { have: sampleRate },
    );
  }
  const sane = (channel: Float32Array): boolean =>
    channel.length === length && channel.every(Number.isFinite);
  if (!channels.every(sane)) {
    throw new EngineError(
      'audio/values',
      'sound — got samples that are not finite, or channels of different lengths — use another file',
    );
  }
}
