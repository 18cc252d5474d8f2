/** Prompts and pictures through CLIP's towers, a run each. */
import type { Raster } from '../../image/resize.ts';
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { runEach, runOnce } from '../../nn/run-once.ts';
import type { Scope } from '../../nn/module.ts';
import type { WeightSource } from '../../weights/upload.ts';
import type { TextConfig, TextWeights } from './text.ts';
import { readTextInputs, textTower } from './text.ts';
import type { VisionConfig } from './vision.ts';
import { visionTower } from './vision.ts';

/** Resolves to rows [n, width] of each list of tokens: behind the second last layer and the final norm. */
export async function encodePrompts(
  engine: Engine,
  store: TextWeights,
  config: TextConfig,
  prompts: readonly ArrayLike<number>[],
  options: RunOptions = {},
): Promise<readonly Float32Array[]> {
  const inputs: Float32Array[] = [];
  for (const ids of prompts) inputs.push(await readTextInputs(store, config, ids));
  const runs = await runEach(
    engine,
    store,
    inputs.map((input) => (root: Scope): void => {
      const { graph } = root;
      const x = graph.constant('tokens', input, [input.length / config.width, config.width]);
      graph.result('rows', textTower(config, { skip: 1 })(root)(x));
    }),
    options,
  );
  return runs.map(({ rows = new Float32Array() }) => rows);
}

/** Resolves to the tokens [n, width] behind the last layer, or with `embed` to the embedding [projection], of a prepared picture. */
export async function encodeSeen(
  engine: Engine,
  store: WeightSource,
  config: VisionConfig,
  { width, height, channels, data }: Raster,
  { embed, ...options }: RunOptions & { readonly embed: boolean },
): Promise<Float32Array> {
  const { rows = new Float32Array() } = await runOnce(
    engine,
    store,
    (root) => {
      const x = root.graph.constant('picture', data, [1, height, width, channels]);
      const { tokens, embedding } = visionTower(config, { embed })(root)(x);
      root.graph.result('rows', embedding ?? tokens);
    },
    options,
  );
  return rows;
}
