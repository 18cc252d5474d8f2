/** A small MP4 file with known chunks, made by mp4-muxer without any encoder. */
import { ArrayBufferTarget, Muxer } from 'mp4-muxer';

/** The bytes of chunk `index`: all different, so that a wrong offset shows. */
export const chunkBytes = (index: number): Uint8Array =>
  Uint8Array.from({ length: 40 + index }, (_, i) => (index * 50 + i) % 251);

/** Returns a file of `count` chunks at 24 frames a second, its index in front of or behind them. */
export function mp4File(count: number, indexFirst = true): Uint8Array {
  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: 'avc', width: 64, height: 32, frameRate: 24 },
    fastStart: indexFirst ? 'in-memory' : false,
  });
  for (let i = 0; i < count; i++) {
    muxer.addVideoChunkRaw(chunkBytes(i), i === 0 ? 'key' : 'delta', (i * 1e6) / 24, 1e6 / 24, {
      decoderConfig: {
        codec: 'avc1.64001e',
        description: Uint8Array.of(1, 100, 0, 30, 255, 224),
        colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
      },
    });
  }
  muxer.finalize();
  return new Uint8Array(target.buffer);
}
