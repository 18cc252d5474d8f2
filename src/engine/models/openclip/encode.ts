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

/** Rows of a prompt, and by what they were made. */
type Remembered = Pick<Engine, 'precision' | 'quantise'> & {
  readonly tokens: string;
  readonly rows: Float32Array;
};

/** Rows of the last prompts of each opened tower: what is not wanted, and nothing at all, are asked for in every clip. */
const remembered = new WeakMap<TextWeights, readonly Remembered[]>();
const MOST_REMEMBERED = 16;

/** Resolves to rows [n, width] of each list of tokens: behind the second last layer and the final norm. Runs what it does not remember. */
export async function encodePrompts(
  engine: Engine,
  store: TextWeights,
  config: TextConfig,
  prompts: readonly ArrayLike<number>[],
  options: RunOptions = {},
): Promise<readonly Float32Array[]> {
  const { precision, quantise } = engine;
  let known = remembered.get(store) ?? [];
  const keyOf = (ids: ArrayLike<number>): string => Array.from(ids).join();
  const find = (ids: ArrayLike<number>): Remembered | undefined => {
    const tokens = keyOf(ids);
    return known.find(
      (each) =>
        each.tokens === tokens && each.precision === precision && each.quantise === quantise,
    );
  };
  const missing = prompts.filter((ids) => !find(ids));
  const inputs: Float32Array[] = [];
  for (const ids of missing) inputs.push(await readTextInputs(store, config, ids));
  const builds = inputs.map((input) => (root: Scope): void => {
    const { graph } = root;
    const x = graph.constant('tokens', input, [input.length / config.width, config.width]);
    graph.result('rows', textTower(config, { skip: 1 })(root)(x));
  });
  const runs = builds.length > 0 ? await runEach(engine, store, builds, options) : [];
  known = [
    ...known,
    ...runs.map(({ rows = new Float32Array() }, i) => ({
      ...{ precision, quantise, rows, tokens: keyOf(missing[i] ?? []) },
    })),
  ];
  remembered.set(store, known.slice(-MOST_REMEMBERED));
  return prompts.map((ids) => find(ids)?.rows ?? new Float32Array());
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
