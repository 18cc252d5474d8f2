/** The parts of a released Wan model: a folder each, with a config.json and safetensors files. */
import { EngineError } from '../../gpu/errors.ts';
import type { Rename, WeightStore } from '../../weights/weight-store.ts';

/** Folder names as released; `transformer` is the expert for high noise where there are two, `lora` what changes it. */
export type ComponentName =
  | 'transformer'
  | 'transformer_2'
  | 'vae'
  | 'text_encoder'
  | 'image_encoder'
  | 'audio_encoder'
  | 'lora';

export type Config = Readonly<Record<string, unknown>>;

/** Where components come from: a folder on disk, a web server, the browser's storage. */
export type ComponentSource = {
  has(name: ComponentName): boolean;
  config(name: ComponentName): Promise<Config>;
  weights(name: ComponentName, rename?: Rename): Promise<WeightStore>;
};

/** Returns the number under `key`. Throws `weights/config` when there is none and no `fallback`. */
export function numberIn(config: Config, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new EngineError(
    'weights/config',
    `config.json — got ${String(value)} for ${key}, needs a number — use the model's own file`,
  );
}
