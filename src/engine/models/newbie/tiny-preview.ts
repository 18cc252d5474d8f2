/** What a picture will look like, while it is denoised, by a tiny autoencoder (TAEF1): at full size, for about a percent of a step's work. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, readTensor, writeTensor } from '../../gpu/tensor.ts';
import { reshape } from '../../graph/ops/layout.ts';
import type { Recording } from '../../graph/record.ts';
import type { Raster } from '../../image/resize.ts';
import { recordGraph } from '../../nn/kept.ts';
import type { Engine } from '../../nn/run-once.ts';
import type { WeightLease } from '../../weights/keeper.ts';
import { ownWeights } from '../../weights/keeper.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { Checkpoint } from '../tae/names.ts';
import { taesdConfigOf, taesdDecoder } from '../tae/taesd.ts';
import { heldToUnit } from '../wan/placed-picture.ts';
import type { LatentGrid } from './request.ts';

/** The decoder's weights, under `decoder.N`. */
export type TinyWeights = WeightSource & Checkpoint;

/** Shows estimates of one picture. One that comes while another is decoded is left out. */
export class TinyPreview {
  readonly #engine: Engine;
  readonly #weights: WeightLease;
  readonly #latent: DeviceTensor;
  readonly #recording: Recording;
  #running: Promise<void> | undefined;

  private constructor(
    engine: Engine,
    weights: WeightLease,
    latent: DeviceTensor,
    recording: Recording,
  ) {
    this.#engine = engine;
    this.#weights = weights;
    this.#latent = latent;
    this.#recording = recording;
  }

  /** Resolves to previews of latents of this size. Throws `weights/…` for files of another autoencoder. */
  static async open(engine: Engine, source: TinyWeights, grid: LatentGrid): Promise<TinyPreview> {
    const own = { ...engine, quantise: undefined };
    const { device } = engine.gpu;
    const latent = createTensor(device, 'preview/latent', [grid.h, grid.w, grid.C]);
    const weights = ownWeights(engine.gpu, source);
    try {
      const { recording } = await recordGraph(own, weights, (root) => {
        const { graph } = root;
        const z = reshape(graph.external(latent), [1, grid.h, grid.w, grid.C]);
        const picture = taesdDecoder(taesdConfigOf(source))(root.child('decoder'))(z);
        graph.result('picture', heldToUnit(picture));
      });
      return new TinyPreview(own, weights, latent, recording);
    } catch (error) {
      weights.release();
      latent.buffer.destroy();
      throw error;
    }
  }

  /** Hands the picture of an estimate [h, w, C] to `show` when it is there. */
  show(estimate: Float32Array, show: (picture: Raster) => void): void {
    this.#running ??= this.#decode(estimate)
      .then(show)
      .finally(() => (this.#running = undefined));
    this.#running.catch(() => undefined); // told when previews end
  }

  /** Waits for what is being decoded and frees everything. Rejects with what went wrong in it. */
  async end(): Promise<void> {
    try {
      await this.#running;
    } finally {
      this.#recording.destroy();
      this.#latent.buffer.destroy();
      this.#weights.release();
    }
  }

  async #decode(estimate: Float32Array): Promise<Raster> {
    const { gpu, executor } = this.#engine;
    writeTensor(gpu.device, this.#latent, estimate);
    await executor.replay(this.#recording, { stage: 'preview' });
    const picture = this.#recording.result('picture');
    const [, height = 1, width = 1, channels = 1] = picture.shape;
    return { width, height, channels, data: await readTensor(gpu.device, picture) };
  }
}
