/** A sound file decoded by the browser: anything that it plays. */
import { EngineError } from '../engine/index.ts';
import type { Sound } from '../engine/index.ts';

const SAMPLE_RATE = 48_000;

/** Resolves to the samples, at 48 kHz. Throws `audio/empty`, and `audio/damaged` when the browser cannot decode it. */
export async function decodeSound(file: Blob): Promise<Sound> {
  if (file.size === 0) {
    throw new EngineError(
      'audio/empty',
      'sound — got an empty file, needs one with samples — use another',
    );
  }
  const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  const buffer = await context.decodeAudioData(await file.arrayBuffer()).catch((cause: unknown) => {
    throw new EngineError(
      'audio/damaged',
      'sound — got a file that the browser cannot decode, needs WAV, MP3, AAC, Opus or FLAC — save it again',
      { cause },
    );
  });
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) =>
    buffer.getChannelData(c).slice(),
  );
  return { channels, sampleRate: buffer.sampleRate };
}
