/** The picture autoencoder applied to a video: pictures to latents, latents to frames one by one. */
import { createTensor, readTensor, writeTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { Raster } from '../../image/resize.ts';
import { Scope } from '../../nn/module.ts';
import { prepare } from '../../nn/prepare.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { leaseWeights, runOnce } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { autoencoderDecoder, autoencoderEncoder } from './autoencoder.ts';
import type { AutoencoderConfig } from './config.ts';
import { pixelsPerLatent } from './config.ts';
import type { Posterior } from './posterior.ts';
import { posterior } from './posterior.ts';

/** Resolves to what the encoder says of each picture (−1 … 1, one size), values [h, w, latentChannels] unscaled. */
export async function encodePictures(
  engine: Engine,
  source: WeightSource,
  config: AutoencoderConfig,
  pictures: readonly Raster[],
  options: RunOptions = {},
): Promise<readonly Posterior[]> {
  const all: Posterior[] = [];
  for (const { width, height, channels, data } of pictures) {
    const { moments = new Float32Array() } = await runOnce(
      engine,
      source,
      (root) => {
        const x = root.graph.constant('picture', data, [1, height, width, channels]);
        root.graph.result('moments', autoencoderEncoder(config)(root)(x));
      },
      options,
    );
    all.push(posterior(moments, config.latentChannels));
  }
  return all;
}

export type LatentClip = {
  /** As the denoiser gives them: [F, h, w, C]. */
  readonly values: Float32Array;
  readonly shape: readonly [F: number, h: number, w: number, C: number];
};

export type DecodedFrame = {
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** About −1 … 1, not clamped: [height, width, 3]. */
  readonly data: Float32Array;
};

/**
 * Yields the frames of scaled latents in order; one recording decodes them all, a frame at a time, and works on the next
 * while the caller has one.
 */
export async function* decodeFrames(
  engine: Engine,
  source: WeightSource,
  config: AutoencoderConfig,
  { values, shape: [F, h, w, C] }: LatentClip,
  { signal, onProgress }: RunOptions = {},
): AsyncGenerator<DecodedFrame, void, void> {
  const { gpu, executor, precision, quantise } = engine;
  const weights = leaseWeights(engine, source);
  const latent = createTensor(gpu.device, 'latent', [1, h, w, C]);
  const graph = new Graph({ precision, quantise });
  graph.result('frame', autoencoderDecoder(config)(new Scope(graph))(graph.external(latent)));
  try {
    const recording = await prepare(graph, engine, weights);
    const span = h * w * C;
    const side = pixelsPerLatent(config);
    const decode = async (index: number): Promise<DecodedFrame> => {
      const own = values.subarray(index * span, (index + 1) * span);
      const unscaled = own.map((value) => value / config.scale);
      writeTensor(gpu.device, latent, unscaled);
      await executor.replay(recording, signal ? { signal } : {});
      onProgress?.((index + 1) / F);
      const data = await readTensor(gpu.device, recording.result('frame'));
      return { index, width: w * side, height: h * side, data };
    };
    const begin = (index: number): Promise<DecodedFrame> => {
      const frame = decode(index);
      frame.catch(() => undefined); // told when it is awaited
      return frame;
    };
    let coming = begin(0);
    try {
      for (let index = 0; index < F; index++) {
        const frame = await coming;
        if (index + 1 < F) coming = begin(index + 1);
        yield frame;
      }
    } finally {
      await coming.catch(() => undefined); // the caller may have left
      recording.destroy();
    }
  } finally {
    latent.buffer.destroy();
    weights.release();
  }
}
