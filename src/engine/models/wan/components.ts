/** The parts of a released Wan model: a folder each, with a config.json and safetensors files. */
import type { Rename, WeightStore } from '../../weights/weight-store.ts';
import type { Config } from '../config-json.ts';

/** Folder names as released; `transformer` is the expert for high noise where there are two, `lora` what changes it. */
export type ComponentName =
  | 'transformer'
  | 'transformer_2'
  | 'vae'
  | 'text_encoder'
  | 'image_encoder'
  | 'audio_encoder'
  | 'lora';

/** Where components come from: a folder on disk, a web server, the browser's storage. */
export type ComponentSource = {
  has(name: ComponentName): boolean;
  config(name: ComponentName): Promise<Config>;
  weights(name: ComponentName, rename?: Rename): Promise<WeightStore>;
};
