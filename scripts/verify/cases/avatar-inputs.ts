/** What the cases of the sound-driven transformer store, in the engine's order, and the parts that both kinds share. */
import type { Values } from '../case.ts';
import type { CaseContext } from '../case.ts';
import { timestepSinusoid } from '../../../src/engine/kernels/rope.ts';
import { withColumnsBefore } from '../../../src/engine/models/live-avatar/audio-encoder.ts';
import { mixOf, mixStates } from '../../../src/engine/models/live-avatar/audio-features.ts';
import type { AvatarConfig } from '../../../src/engine/models/live-avatar/config.ts';
import { MOTION_LATENTS } from '../../../src/engine/models/live-avatar/tokens.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { channelsLast, transpose } from '../axes.ts';

/** Latents [C, F, H, W], with or without a batch axis in front -> [F, H, W, C]. */
export async function readLatents(io: CaseContext['io'], name: string): Promise<Values> {
  const { values, shape } = await io.read(name);
  const batched = shape.length === 5 ? shape : [1, ...shape];
  return { values: channelsLast(values, batched), shape: [...batched.slice(2), batched[1] ?? 1] };
}

/** Returns the last latents of a past [F, H, W, C], as many as are looked at, zeros in front where there are fewer. */
export function lastLatents({ values, shape: [F = 1, ...frame] }: Values): Values {
  const span = values.length / F;
  const last = new Float32Array(MOTION_LATENTS * span);
  const kept = values.subarray(Math.max(0, F - MOTION_LATENTS) * span);
  last.set(kept, last.length - kept.length);
  return { values: last, shape: [MOTION_LATENTS, ...frame] };
}

/** Returns the mixed columns [n, audioDim] of the sound states [1, states, audioDim, n]. */
export async function mixedColumns(
  context: CaseContext,
  store: WeightStore,
  { audioDim }: AvatarConfig,
): Promise<Float32Array> {
  const { values, shape } = await context.io.read('in.audio_input');
  const [, states = 1, , n = 1] = shape;
  const mix = mixOf(await store.read('casual_audio_encoder.weights'));
  const { columns = new Float32Array() } = await runOnce(context, store, ({ graph }) => {
    const each = Array.from({ length: states }, (_, l) => {
      const state = values.subarray(l * audioDim * n, (l + 1) * audioDim * n);
      return graph.constant(`state ${l}`, transpose(state, [audioDim, n], [1, 0]), [n, audioDim]);
    });
    graph.result('columns', mixStates(each, mix));
  });
  return columns;
}

/** Returns columns [n, audioDim] of latent frames, with what the encoder needs in front of them. */
export const columnsInFront = (columns: Float32Array, { audioDim }: AvatarConfig): Values => {
  const values = withColumnsBefore(columns, audioDim);
  return { values, shape: [values.length / audioDim, audioDim] };
};

/** Returns the sinusoids of timesteps, one a row. */
export function sinusoids(timesteps: readonly number[], { freqDim }: AvatarConfig): Values {
  const values = Float32Array.from(timesteps.flatMap((t) => [...timestepSinusoid(t, freqDim)]));
  return { values, shape: [timesteps.length, freqDim] };
}
