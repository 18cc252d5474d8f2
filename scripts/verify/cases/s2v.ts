/** The sound-driven Wan transformer on one clip, with and without a past. */
import type { Tensor } from '../../../src/engine/graph/graph.ts';
import { gridPositions, ropeTableAt } from '../../../src/engine/kernels/rope.ts';
import { audioEncoder } from '../../../src/engine/models/live-avatar/audio-encoder.ts';
import { soundKeys } from '../../../src/engine/models/live-avatar/audio-injector.ts';
import type { AvatarConfig } from '../../../src/engine/models/live-avatar/config.ts';
import { parseAvatarConfig } from '../../../src/engine/models/live-avatar/config.ts';
import {
  REFERENCE_FRAME,
  conditionPositions,
} from '../../../src/engine/models/live-avatar/positions.ts';
import { modulation, s2vTransformer } from '../../../src/engine/models/live-avatar/s2v.ts';
import type { Config } from '../../../src/engine/models/config-json.ts';
import { trimText, wanContext } from '../../../src/engine/models/wan/context.ts';
import { renameWan } from '../../../src/engine/models/wan/names-dit.ts';
import type { Scope } from '../../../src/engine/nn/module.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { WeightStore } from '../../../src/engine/weights/weight-store.ts';
import { channelsFirst } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';
import {
  columnsInFront,
  lastLatents,
  mixedColumns,
  readLatents,
  sinusoids,
} from './avatar-inputs.ts';

const isAvatar = (model: unknown): model is Config =>
  typeof model === 'object' && model !== null && 'audio_inject_layers' in model;

export const s2v: Checker = {
  matches: ({ model }, io) => isAvatar(model) && io.includes('in.x') && io.includes('in.t'),
  async run(context) {
    const config = parseAvatarConfig(context.config['model'] as Config);
    const outputs: Output[] = [];
    for (const path of context.weightFiles) {
      const store = await context.open(path, renameWan);
      const own = [
        ...(await runClip(context, store, config, true)),
        ...(await runClip(context, store, config, false)),
      ];
      store.checkAllUsed();
      const note = path === 'model' ? {} : { note: path };
      outputs.push(...own.map((output) => ({ ...output, ...note })));
    }
    return outputs;
  },
};

async function runClip(
  context: CaseContext,
  store: WeightStore,
  config: AvatarConfig,
  withMotion: boolean,
): Promise<Output[]> {
  const { io } = context;
  const columns = columnsInFront(await mixedColumns(context, store, config), config);
  const inputs = {
    x: await readLatents(io, 'in.x'),
    pose: await readLatents(io, 'in.cond_states'),
    reference: await readLatents(io, 'in.ref_latents'),
    motion: lastLatents(await readLatents(io, 'in.motion_latents')),
    time: sinusoids([(await io.read('in.t')).values[0] ?? NaN, 0], config),
  };
  const text = trimText((await io.read('in.context')).values, config.textDim, config.textLength);
  const results = await runOnce(context, store, (root: Scope) => {
    const { graph } = root;
    const given = (name: string, { values, shape }: Values): Tensor =>
      graph.constant(name, values, shape);
    const keep = (name: string, tensor: Tensor): void => graph.result(name, tensor);
    const heard = audioEncoder(config)(root)(given('columns', columns));
    if (context.blocks) {
      keep('audio.0', heard.summary);
      keep('audio.1', heard.tokens);
    }
    const words = given('text', { values: text.values, shape: [text.rows, config.textDim] });
    const velocity = s2vTransformer(config)(root)({
      x: given('x', inputs.x),
      pose: given('pose', inputs.pose),
      reference: given('reference', inputs.reference),
      ...(withMotion && { motion: given('motion', inputs.motion) }),
      modulation: modulation(config)(root)(given('time', inputs.time)),
      context: wanContext(config)(root)({ text: words }),
      lastKeyBias: text.lastKeyBias,
      sound: soundKeys(config)(root)(heard),
      ...(context.blocks && { probe: keep }),
    });
    keep('velocity', velocity);
  });
  const velocity = channelsFirst(results['velocity'] ?? new Float32Array(), config.outChannels);
  const name = withMotion ? 'out.sample' : 'out.sample_drop_motion';
  const outputs: Output[] = [{ name, values: velocity, measure: 'network' }];
  if (!context.blocks) return outputs;
  const [F = 1, H = 1, W = 1] = inputs.x.shape;
  const grid = [F, H / config.patch.ph, W / config.patch.pw] as const;
  const kept = { ...results, rope_freqs_re_im: angles(config, grid, withMotion) };
  return [...outputs, ...(await intermediates(context, kept, withMotion ? '' : '#1'))];
}

function angles(
  { headDim }: AvatarConfig,
  [F, h, w]: readonly [number, number, number],
  withMotion: boolean,
): Float32Array {
  const stay = conditionPositions({ h, w }, REFERENCE_FRAME, withMotion);
  return ropeTableAt([...gridPositions([F, h, w]), ...stay], headDim);
}

/** Intermediates under the names that the case stores; of the sound, the latent frames that are kept: the last ones. */
export async function intermediates(
  { io }: CaseContext,
  kept: Readonly<Record<string, Float32Array>>,
  suffix: string,
  prefix = 'mid.',
): Promise<Output[]> {
  const outputs: Output[] = [];
  for (const [own, values] of Object.entries(kept)) {
    const name = `${prefix}${own.replace(/^(block\d+\.out)$/, '$1_before_audio')}${suffix}`;
    if (!io.has(name)) continue;
    const { length } = (await io.read(name)).values;
    outputs.push({ name, values, measure: 'network', skipped: length - values.length });
  }
  return outputs;
}
