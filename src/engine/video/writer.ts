/** What the pipeline needs of a video file under construction, whatever its container and codec. */

import type { SoundCodec } from './sound-track.ts';

export type VideoCodec = 'avc' | 'vp9' | 'av1';

/** A video being written. After a failure or `abort` every further call rejects; nothing half-written comes out. */
export type VideoWriter = {
  /** The codec that was found to work. */
  readonly codec: VideoCodec;
  /** The codec string of its profile and level, e.g. `avc1.64001f`. */
  readonly codecString: string;
  /** The codec of its sound, where it has any. */
  readonly soundCodec?: SoundCodec;
  /** Adds mono samples at 48 kHz, the first at the time of the first frame; resolves when there is room for more. */
  addSound(samples: Float32Array): Promise<void>;
  /** Adds a frame of RGBA bytes, row-major from the top; resolves when there is room for the next. */
  addFrame(rgba: Uint8Array | Uint8ClampedArray): Promise<void>;
  /** Returns the finished file. */
  finish(): Promise<Uint8Array<ArrayBuffer>>;
  /** Drops everything and frees the encoder. Calling it twice, or after `finish`, does nothing. */
  abort(): void;
};
