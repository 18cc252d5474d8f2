/** The frames of a finished video, one by one in any order: those that were kept as they were made, else decoded again. */
import { decodeFrames, EngineError } from '../../engine/index.ts';
import type { StoredResult } from '../storage/history.ts';

/** Frames of one video. */
export type FrameSource = {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly count: number;
  /** Resolves to RGBA bytes, row-major from the top. */
  frame(index: number): Promise<Uint8ClampedArray<ArrayBuffer>>;
};

/** What of a stored video its frames come from. */
export type FramesOf = Pick<StoredResult, 'video' | 'rawFrames'> & {
  readonly facts: Pick<StoredResult['facts'], 'width' | 'height' | 'fps' | 'frames'>;
};

/** Resolves to the frames of a stored video. Throws `video/damaged`, `video/decode`. */
export async function framesOf({ video, rawFrames, facts }: FramesOf): Promise<FrameSource> {
  const { width, height, fps } = facts;
  const frameBytes = 4 * width * height;
  const isWhole = rawFrames !== undefined && rawFrames.size === facts.frames * frameBytes;
  const pieces = isWhole ? piecesOf(rawFrames, frameBytes) : await decoded(video, frameBytes);
  return {
    ...{ width, height, fps, count: pieces.length },
    async frame(index) {
      const piece = pieces[index];
      if (!piece) throw new RangeError(`frame ${index} of ${pieces.length}`);
      return new Uint8ClampedArray(await piece.arrayBuffer());
    },
  };
}

const piecesOf = (all: Blob, bytes: number): Blob[] =>
  Array.from({ length: all.size / bytes }, (_, i) => all.slice(i * bytes, (i + 1) * bytes));

/** All frames of a video file; as blobs, which the browser may move to disk. */
async function decoded(video: Blob, frameBytes: number): Promise<Blob[]> {
  const pieces: Blob[] = [];
  for await (const rgba of decodeFrames(new Uint8Array(await video.arrayBuffer()))) {
    if (rgba.length !== frameBytes) {
      throw new EngineError(
        'video/damaged',
        `video — got a frame of ${rgba.length} bytes, needs ${frameBytes} — export it again`,
      );
    }
    pieces.push(new Blob([rgba]));
  }
  return pieces;
}

/** Returns the order in which frames are shown: as they are, or forth and back without doubled ends, 2N − 2 of them. */
export function frameOrder(count: number, pingPong: boolean): number[] {
  const forth = Array.from({ length: count }, (_, i) => i);
  return pingPong ? [...forth, ...forth.slice(1, -1).reverse()] : forth;
}
