/** What both pipelines of clips do around denoising: previews while it runs, frames from its result. */
import type { Raster } from '../../image/resize.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { allFinite, checkFinite } from '../../sampling/attended.ts';
import type { AttendOptions } from '../../sampling/attended.ts';
import { samplingHooks } from '../../sampling/checkpoint.ts';
import type { Values } from '../../sampling/checkpoint.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { AutoencoderConfig } from '../autoencoder-kl/config.ts';
import type { LatentClip } from '../autoencoder-kl/frames.ts';
import { decodeFrames } from '../autoencoder-kl/frames.ts';
import { fitColours, previewOf } from '../wan/preview.ts';
import type { ClipFrame, ClipOptions } from './clip-pipeline.ts';

/** The picture that a clip starts from, as colours −1 … 1 and as latent [h, w, C]. */
export type KnownPicture = { readonly picture: Raster; readonly latent: Float32Array };

/** Returns what attends the steps of a clip whose latent has `shape`; `conditions` are kept with its checkpoints. */
export function attendance(
  options: ClipOptions,
  shape: LatentClip['shape'],
  steps: number,
  { picture, latent }: KnownPicture,
  conditions: Values,
): AttendOptions {
  const { onPreview } = options;
  const [F, h, w, C] = shape;
  const size = { F, h, w, C };
  const unit = { ...picture, data: toUnit(picture.data) };
  const colours = onPreview && fitColours(latent, unit, size);
  return {
    ...samplingHooks(options),
    conditions,
    onEstimate: colours && ((x, done) => onPreview?.(previewOf(x, size, colours), done, steps)),
  };
}

/**
 * Yields the frames of a clean latent in order; from the first that f16 cannot hold on, all are decoded in f32. Throws
 * `run/non-finite` where f32 cannot either.
 */
export async function* framesOf(
  engine: Engine,
  coder: WeightSource,
  config: AutoencoderConfig,
  clip: LatentClip,
  options: RunOptions &
    Pick<ClipOptions, 'onDecodeInF32'> & {
      /** Called with each frame as the decoder gives it, for tests. */
      readonly onRaw?: (data: Float32Array) => void;
    },
): AsyncGenerator<ClipFrame, void, void> {
  const [count] = clip.shape;
  let next = 0;
  for (const precision of engine.precision === 'f32'
    ? (['f32'] as const)
    : (['f16', 'f32'] as const)) {
    for await (const frame of decodeFrames(
      { ...engine, precision },
      coder,
      config,
      clip,
      options,
    )) {
      if (frame.index < next) continue; // it was whole in f16
      if (precision === 'f16' && !allFinite(frame.data)) break;
      checkFinite(frame.data, 'decode');
      next = frame.index + 1;
      options.onRaw?.(frame.data);
      yield { ...frame, data: toUnit(frame.data) };
    }
    if (next === count) return;
    options.onDecodeInF32?.();
  }
}

/** Returns values −1 … 1 as 0 … 1, clamped. */
function toUnit(data: Float32Array): Float32Array {
  const unit = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++)
    unit[i] = Math.min(1, Math.max(0, (data[i] ?? 0) / 2 + 0.5));
  return unit;
}
