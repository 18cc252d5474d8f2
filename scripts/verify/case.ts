/** What a golden case gives a checker, and what the checker gives back. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import type { Precision, WeightPolicy } from '../../src/engine/graph/graph.ts';
import type { Executor } from '../../src/engine/graph/replay.ts';
import type { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { Rename, WeightStore } from '../../src/engine/weights/weight-store.ts';

export type Values = { readonly values: Float32Array; readonly shape: Shape };

export type CaseContext = {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly executor: Executor;
  readonly precision: Precision;
  /** Which weight matrices are stored as small integers. */
  readonly quantise: WeightPolicy | undefined;
  /** What the outputs are held to. */
  readonly level: Level;
  /** The whole config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tensors of io.safetensors: names and values. */
  readonly io: {
    names(): readonly string[];
    has(name: string): boolean;
    read(name: string): Promise<Values>;
  };
  /** Weight files below the case's folder, by path without extension: `model`, `model_orig`, `vae/model`. */
  readonly weightFiles: readonly string[];
  open(path: string, rename?: Rename): Promise<WeightStore>;
  /** A JSON file below the case's folder: `vae/config.json`. */
  readJson(path: string): Promise<Readonly<Record<string, unknown>>>;
  /** Whether intermediates are wanted too. */
  readonly blocks: boolean;
};

/** How exactly a network is run: its storage and arithmetic, or f16 with weights of 8 or 4 bits. */
export const LEVELS = ['f32', 'f16', 'int8', 'int4'] as const;
export type Level = (typeof LEVELS)[number];

/** Which bar an output is held to: see compare.ts. */
export type Measure = 'network' | 'rounded' | 'trajectory' | 'latents' | 'frames' | 'pixels';

export type Output = {
  /** Name in io.safetensors, e.g. `out.sample` or `mid.block0.out`. */
  readonly name: string;
  readonly values: Float32Array;
  readonly measure: Measure;
  /** How many values at the start the reference defines, when not all; `values` holds no others. */
  readonly defined?: number;
  /** How many values at the start of the reference nothing is computed for, when not none. */
  readonly skipped?: number;
  /** What was compared when one case runs twice, e.g. `original names`. */
  readonly note?: string;
};

export type Checker = {
  /** Whether this checker knows the case, by what its config holds, never by the case's name. */
  matches(config: Readonly<Record<string, unknown>>, io: readonly string[]): boolean;
  /** Builds the model from config and weights alone, feeds the inputs, returns every output. */
  run(context: CaseContext): Promise<readonly Output[]>;
};
