/** What the avatar takes from its own first clip: see `Seen`. */
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import type { ComponentSource } from '../wan/components.ts';
import type { Chunk } from './frames.ts';
import { encodeFrames } from './inputs.ts';
import type { CheckedRequest } from './request.ts';
import { MOTION_FRAMES } from './request.ts';
import { fitPicture } from './size.ts';
import type { AvatarStream } from './stream.ts';
import { BLOCK_LATENTS } from './stream.ts';

/**
 * What takes the place of the still picture after the first clip: the first latent frame that was made becomes the
 * reference, and, with `enable_online_decode`, the last frames of the video become the past.
 */
export class Seen {
  readonly #request: CheckedRequest;
  readonly #stream: AvatarStream;
  readonly #motion: Float32Array;
  #reference: Float32Array | undefined;
  /** The last frames that were shown in the first clip. */
  #frames: Float32Array[] = [];

  constructor(request: CheckedRequest, stream: AvatarStream, motion: Float32Array) {
    this.#request = request;
    this.#stream = stream;
    this.#motion = motion;
  }

  /** Whether block `index` can begin only when all frames before it have been decoded. */
  waitsForFrames(index: number): boolean {
    return this.#request.settings.enable_online_decode && index === this.#request.clipBlocks;
  }

  /** Takes note of the latents of a block. */
  take(block: number, latents: Float32Array): void {
    if (block === 0) this.#reference = latents.slice(0, latents.length / BLOCK_LATENTS);
  }

  /** Takes note of decoded frames, of the first clip alone. */
  show({ first, values, shape: [count] }: Chunk): void {
    const { settings } = this.#request;
    if (!settings.enable_online_decode || first >= settings.infer_frames) return;
    const span = values.length / count;
    for (let i = 0; i < count; i++) this.#frames.push(values.slice(i * span, (i + 1) * span));
    this.#frames = this.#frames.slice(-MOTION_FRAMES);
  }

  /** Has the stream take in what was seen, before the first block of the second clip. */
  async refresh(
    engine: Engine,
    source: ComponentSource,
    block: number,
    options: RunOptions,
  ): Promise<void> {
    if (block !== this.#request.clipBlocks || !this.#reference) return;
    await this.#stream.settle(this.#reference, await this.#past(engine, source, options), options);
  }

  async #past(engine: Engine, source: ComponentSource, options: RunOptions): Promise<Float32Array> {
    if (!this.#request.settings.enable_online_decode) return this.#motion;
    const { image, video } = this.#request;
    const still = fitPicture(image, video).data.map((value) => 2 * value - 1);
    const frames = [...Array.from({ length: MOTION_FRAMES }, () => still), ...this.#frames];
    const known = new Map(frames.slice(-MOTION_FRAMES).entries());
    this.#frames = [];
    const shape = [known.size, video.height, video.width, 3] as const;
    return encodeFrames(engine, source, { shape, known }, options);
  }
}
