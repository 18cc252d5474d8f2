/** What is asked of the picture pipeline, and what it refuses at the border. */
import type { RowSource } from '../../weights/mapped.ts';
import type { Rename } from '../../weights/weight-store.ts';
import { refuse } from '../refuse.ts';
import type { Config } from '../config-json.ts';

/** Folder names as released. */
export type NewbieComponent = 'transformer' | 'text_encoder' | 'clip_model' | 'vae';

/** The files of one component. */
export type ComponentWeights = RowSource & { names(): readonly string[] };

/** Where components come from: a folder on disk, a web server, the browser's storage. */
export type NewbieSource = {
  config(name: NewbieComponent): Promise<Config>;
  weights(name: NewbieComponent, rename?: Rename): Promise<ComponentWeights>;
};

/** One text as the two encoders' tokenizers give it, without padding; see tokenize.ts. */
export type TextIds = {
  readonly gemma: readonly number[];
  readonly jina: readonly number[];
};

export type NewbieSolver = 'flow_euler' | 'euler' | 'midpoint' | 'rk4' | 'dpmpp';

export type NewbieRequest = {
  readonly prompt: TextIds;
  /** What the picture should not be; needed for guidance above 1. */
  readonly negativePrompt?: TextIds;
  readonly width: number;
  readonly height: number;
  /** Steps of the solver; midpoint calls the network twice in each, rk4 four times. */
  readonly steps: number;
  /** Pushes the noise levels up; 6 as trained. */
  readonly shift?: number;
  /** How steps are made; Euler on the grid of FlowMatchEuler where left out. */
  readonly solver?: NewbieSolver;
  /** Scale of the prompt's pull; 1 runs the network once instead of twice. */
  readonly guidance: number;
  /** Time, 0 (noise) … 1 (picture), from which on the prompt alone pulls; never where left out. */
  readonly guideUntil?: number;
  /** Keeps guided velocities at most this many times as long as those of the prompt; 0: as they come. */
  readonly guidanceLimit?: number;
  readonly seed?: number;
  /** Noise [h, w, 16] to start from, instead of the seed's. */
  readonly noise?: Float32Array;
};

export type LatentGrid = { readonly h: number; readonly w: number; readonly C: number };

export type GridScale = {
  /** Pixels that one latent pixel stands for. */
  readonly space: number;
  /** Latent pixels along a side of a patch. */
  readonly patch: number;
  readonly channels: number;
};

/**
 * Returns the size of the latent. Throws `newbie/size`, `newbie/steps`, `newbie/guidance`, `newbie/prompt`,
 * `newbie/noise` for a request that cannot be served.
 */
export function checkNewbieRequest(request: NewbieRequest, scale: GridScale): LatentGrid {
  const { width, height, steps, guidance, prompt, negativePrompt, noise } = request;
  const side = scale.space * scale.patch;
  const fits = (n: number): boolean => Number.isSafeInteger(n) && n >= side && n % side === 0;
  refuse(
    !fits(width) || !fits(height),
    'newbie/size',
    'size',
    `${width} × ${height}`,
    `multiples of ${side}`,
  );
  refuse(!Number.isSafeInteger(steps) || steps < 1, 'newbie/steps', 'steps', steps, '1 or more');
  refuse(!(guidance >= 1), 'newbie/guidance', 'guidance', guidance, 'a number from 1');
  refuse(
    guidance > 1 && !negativePrompt,
    'newbie/prompt',
    'negative prompt',
    'none',
    'one, if only empty, for guidance above 1',
  );
  for (const { gemma, jina } of negativePrompt ? [prompt, negativePrompt] : [prompt]) {
    const whole = [...gemma, ...jina].every((id) => Number.isSafeInteger(id) && id >= 0);
    refuse(
      !whole || gemma.length === 0 || jina.length === 0,
      'newbie/prompt',
      'prompt',
      `${gemma.length} and ${jina.length} tokens`,
      'at least the first token of both encoders, whole numbers',
    );
  }
  const grid = { h: height / scale.space, w: width / scale.space, C: scale.channels };
  const values = grid.h * grid.w * grid.C;
  refuse(
    noise !== undefined && noise.length !== values,
    'newbie/noise',
    'noise',
    noise?.length ?? 0,
    `${values} values`,
  );
  return grid;
}
