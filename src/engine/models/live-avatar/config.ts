/** Sizes of the sound-driven transformer, from its config.json. */
import { EngineError } from '../../gpu/errors.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import type { WanConfig } from '../wan/config.ts';
import { parseWanConfig } from '../wan/config.ts';

export type AvatarConfig = WanConfig & {
  /** Width of the sound encoder's states. */
  readonly audioDim: number;
  /** Local sound tokens of a latent frame, without the learned one. */
  readonly audioTokens: number;
  /** Blocks after which the picture listens. */
  readonly audioLayers: readonly number[];
  /** Channels of the pose latent. */
  readonly poseChannels: number;
};

/** Throws `weights/config` for kinds that were never released: another motion encoder, another way to listen. */
export function parseAvatarConfig(config: Config): AvatarConfig {
  demand(config, 'enable_framepack', true);
  demand(config, 'enable_adain', true);
  demand(config, 'adain_mode', 'attn_norm');
  demand(config, 'zero_timestep', true);
  const layers = config['audio_inject_layers'];
  const wan = parseWanConfig(config);
  const known =
    Array.isArray(layers) &&
    layers.every((i): i is number => Number.isInteger(i) && i >= 0 && i < wan.layers);
  if (!known) throw refusal('audio_inject_layers', layers, `numbers below ${wan.layers}`);
  return {
    ...wan,
    audioDim: numberIn(config, 'audio_dim'),
    audioTokens: numberIn(config, 'num_audio_token', 4),
    audioLayers: layers,
    poseChannels: numberIn(config, 'cond_dim', 16),
  };
}

function demand(config: Config, key: string, want: string | boolean): void {
  const have = config[key] ?? want;
  if (have !== want) throw refusal(key, have, JSON.stringify(want));
}

const refusal = (key: string, have: unknown, need: string): EngineError =>
  new EngineError(
    'weights/config',
    `config.json — got ${JSON.stringify(have)} for ${key}, needs ${need} — use the config of a released model`,
  );
