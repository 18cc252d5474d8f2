/** What a Wan pipeline reads before it starts: prompts and the picture, turned into rows for the transformer. */
import { EngineError } from '../../gpu/errors.ts';
import type { Raster } from '../../image/resize.ts';
import { resizeFloats } from '../../image/resize.ts';
import type { Tensor } from '../../graph/graph.ts';
import type { Scope } from '../../nn/module.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { runEach } from '../../nn/run-once.ts';
import { CLIP_DEVIATION, CLIP_MEAN, clipVision, parseClipConfig } from './clip-vision.ts';
import type { ComponentSource } from './components.ts';
import { renameClip, renameUmt5 } from './names-encoders.ts';
import type { PlacedPicture } from './pipeline-request.ts';
import { squaresOnDevice } from './placed-picture.ts';
import { parseUmt5Config, readUmt5Inputs, umt5Encoder } from './umt5.ts';

/** Resolves to the rows [n, width] of each text, at its true length, under the text's name. Throws `text/token`. */
export async function encodeTexts<K extends string>(
  engine: Engine,
  source: ComponentSource,
  texts: Readonly<Record<K, readonly number[]>>,
  options: RunOptions = {},
): Promise<Readonly<Record<K, Float32Array>>> {
  const config = parseUmt5Config(await source.config('text_encoder'));
  const store = await source.weights('text_encoder', renameUmt5);
  const names = Object.keys(texts) as K[];
  const inputs = await Promise.all(names.map((name) => readUmt5Inputs(store, config, texts[name])));
  const builds = inputs.map((input) => (root: Scope): void => {
    root.graph.result('rows', umt5Encoder(config)(root)(input));
  });
  const results = await runEach(engine, store, builds, options);
  const entries = names.map((name, i) => [name, present(results[i]?.['rows'])]);
  return Object.fromEntries(entries) as Record<K, Float32Array>;
}

/**
 * Resolves to the rows [m, width] of the pictures, end to end. They are resized to CLIP's square and normalised, or taken
 * as they are when `prepared`. Throws `graph/shape` when a prepared picture has another size.
 */
export async function encodePictures(
  engine: Engine,
  source: ComponentSource,
  pictures: readonly PlacedPicture[],
  prepared: boolean,
  options: RunOptions = {},
): Promise<Float32Array> {
  const config = parseClipConfig(await source.config('image_encoder'));
  const store = await source.weights('image_encoder', renameClip(config.width));
  const onDevice = new Map(
    pictures.flatMap(({ onDevice: tensor }, i) => (tensor && !prepared ? [[i, tensor]] : [])),
  );
  const squares = await squaresOnDevice(engine, onDevice, config.imageSize, options);
  const builds = pictures.map((picture, i) => (root: Scope): void => {
    const placed = squares.frames.get(i);
    const x = placed ? root.graph.external(placed) : square(root, picture);
    root.graph.result('rows', clipVision(config)(root)(x));
  });
  const square = ({ graph }: Scope, picture: Raster): Tensor => {
    const { width, height, channels, data } = prepared
      ? picture
      : clipPicture(picture, config.imageSize);
    return graph.constant('picture', data, [1, height, width, channels]);
  };
  const results = await runEach(engine, store, builds, options).finally(() => squares.destroy());
  const parts = results.map(({ rows }) => present(rows));
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
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
