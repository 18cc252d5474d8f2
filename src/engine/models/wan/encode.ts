/** What a Wan pipeline reads before it starts: prompts and the picture, turned into rows for the transformer. */
import { EngineError } from '../../gpu/errors.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeFloats } from '../../image/resize.ts';
import type { Scope } from '../../nn/module.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { runEach, runOnce } from '../../nn/run-once.ts';
import { CLIP_DEVIATION, CLIP_MEAN, clipVision, parseClipConfig } from './clip-vision.ts';
import type { ComponentSource } from './components.ts';
import { renameClip, renameUmt5 } from './names-encoders.ts';
import { parseUmt5Config, readUmt5Inputs, umt5Encoder } from './umt5.ts';

/** Resolves to the rows [n, width] of each text, at its true length. Throws `text/token`. */
export async function encodeTexts(
  engine: Engine,
  source: ComponentSource,
  texts: readonly (readonly number[])[],
  options: RunOptions = {},
): Promise<readonly Float32Array[]> {
  const config = parseUmt5Config(await source.config('text_encoder'));
  const store = await source.weights('text_encoder', renameUmt5);
  const inputs = await Promise.all(texts.map((ids) => readUmt5Inputs(store, config, ids)));
  const builds = inputs.map((input) => (root: Scope): void => {
    root.graph.result('rows', umt5Encoder(config)(root)(input));
  });
  const results = await runEach(engine, store, builds, options);
  return results.map(({ rows }) => present(rows));
}

/**
 * Resolves to the rows [m, width] of a picture. It is resized to CLIP's square and normalised, or taken as it is
 * when `prepared`. Throws `graph/shape` when a prepared picture has another size.
 */
export async function encodePicture(
  engine: Engine,
  source: ComponentSource,
  picture: Raster,
  prepared: boolean,
  options: RunOptions = {},
): Promise<Float32Array> {
  const config = parseClipConfig(await source.config('image_encoder'));
  const store = await source.weights('image_encoder', renameClip(config.width));
  const { width, height, channels, data } = prepared
    ? picture
    : clipPicture(picture, config.imageSize);
  const { rows } = await runOnce(
    engine,
    store,
    (root) => {
      const x = root.graph.constant('picture', data, [1, height, width, channels]);
      root.graph.result('rows', clipVision(config)(root)(x));
    },
    options,
  );
  return present(rows);
}

/** The whole picture squeezed into CLIP's square, as in training, and normalised. */
function clipPicture(picture: Raster, size: number): Raster {
  const square = resizeFloats(picture, { width: size, height: size }, 'bicubic');
  const data = square.data.map(
    (value, i) => (value - (CLIP_MEAN[i % 3] ?? 0)) / (CLIP_DEVIATION[i % 3] ?? 1),
  );
  return { ...square, data };
}

function present(rows: Float32Array | undefined): Float32Array {
  if (rows) return rows;
  throw new EngineError('engine/assert', 'encoder — gave no rows');
}
