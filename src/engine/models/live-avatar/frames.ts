/** From the stream of latents to frames that can be shown. */
import type { Volume } from '../wan/vae-tiles.ts';
import type { WanVae } from '../wan/vae.ts';
import type { AvatarOptions } from './run-options.ts';
import { BLOCK_FRAMES, BLOCK_LATENTS } from './stream.ts';

export type AvatarFrame = {
  /** Counts from the first sound on, at 16 frames a second. */
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** RGBA, row-major from the top. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** Latents of the past with which the decoder is warmed up; what comes of them is not shown. */
const WARM_UP_LATENTS = 7;
/** Frames at the start that still show the passage from the still picture. */
const PASSAGE_FRAMES = 3;

/** A chunk of decoded frames [T, H, W, 3] in −1..1. */
export type Chunk = {
  readonly first: number;
  readonly values: Float32Array;
  readonly shape: Volume['shape'];
};

/** Returns how the latents of a block become its twelve frames, in one stream that begins with the past. */
export function frameDecoder(
  vae: WanVae,
  motion: Float32Array,
  [h, w, C]: readonly [number, number, number],
  { signal, onProgress }: AvatarOptions,
): (latents: Float32Array, block: number, blocks: number) => AsyncGenerator<Chunk> {
  const decode = vae.decodeStream();
  const run = { ...(signal && { signal }), stage: 'decode' };
  return async function* (latents, block, blocks) {
    if (block === 0) {
      const past = motion.subarray(0, WARM_UP_LATENTS * h * w * C);
      const shape = [WARM_UP_LATENTS, h, w, C] as const;
      for await (const { first } of decode({ values: past, shape }, run)) void first;
    }
    let index = block * BLOCK_FRAMES;
    let passage = block === 0 ? PASSAGE_FRAMES : 0;
    const progress = (done: number) => onProgress?.({ stage: 'decode', done, block, blocks });
    const volume: Volume = { values: latents, shape: [BLOCK_LATENTS, h, w, C] };
    for await (const { values, shape } of decode(volume, { ...run, onProgress: progress })) {
      const [count] = shape;
      const shown = passage > 0 ? withoutPassage(values, shape, passage) : values;
      passage = Math.max(0, passage - count);
      yield { first: index, values: shown, shape };
      index += count;
    }
  };
}

/** The first `passage` frames replaced by the one after them. */
function withoutPassage(
  values: Float32Array,
  [count]: Volume['shape'],
  passage: number,
): Float32Array {
  const span = values.length / count;
  const kept = values.slice();
  const after = values.subarray(passage * span, (passage + 1) * span);
  for (let i = 0; i < passage; i++) kept.set(after, i * span);
  return kept;
}

/** Yields the frames of a chunk as bytes. */
export function* inRgba({
  first,
  values,
  shape: [count, height, width],
}: Chunk): Generator<AvatarFrame> {
  const pixels = height * width;
  for (let i = 0; i < count; i++) {
    const data = new Uint8ClampedArray(4 * pixels);
    for (let p = 0; p < pixels; p++) {
      const at = 3 * (i * pixels + p);
      for (let c = 0; c < 3; c++) data[4 * p + c] = 127.5 * ((values[at + c] ?? 0) + 1);
      data[4 * p + 3] = 255;
    }
    yield { index: first + i, width, height, data };
  }
}
