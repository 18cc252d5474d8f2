/** I2VGen-XL from its released folder: unet, vae, text_encoder, image_encoder, scheduler and a CLIP tokenizer. */
import { EngineError } from '../../gpu/errors.ts';
import { openClipTokenizer } from '../../tokenizers/clip-vocabulary.ts';
import type { TextTokenizer } from '../../tokenizers/tokenizer.ts';
import type { ModelFiles } from '../../weights/model-files.ts';
import { openModelFolder } from '../../weights/model-folder.ts';
import type { Config } from '../config-json.ts';
import type { I2vgenSource } from './pipeline.ts';

const PARTS = ['unet', 'vae', 'text_encoder', 'image_encoder'] as const;
const SCHEDULER = 'scheduler/scheduler_config.json';
const TOKENIZER = 'tokenizer';

export type OpenI2vgen = { readonly source: I2vgenSource; readonly tokens: TextTokenizer };

/** Resolves to the model in a folder. Throws `weights/folder` for one that lacks a part and `text/tokenizer`. */
export async function openI2vgen(files: ModelFiles): Promise<OpenI2vgen> {
  const folder = await openModelFolder(files, PARTS);
  const missing = PARTS.filter((part) => !folder.has(part));
  const scheduler = await files.open(SCHEDULER);
  const tokens = await openClipTokenizer(files, TOKENIZER, 'end');
  if (missing.length > 0 || !scheduler || !tokens) {
    const single = [...(scheduler ? [] : [SCHEDULER]), ...(tokens ? [] : [TOKENIZER])];
    throw new EngineError(
      'weights/folder',
      `model — got a folder without ${[...missing, ...single].join(', ')} — choose the folder of I2VGen-XL`,
    );
  }
  const settings = parseSettings(await scheduler.read(0, scheduler.size));
  return {
    source: {
      config: async (part) => (part === 'scheduler' ? settings : folder.config(part)),
      weights: async (part, rename) => {
        if (part !== 'scheduler') return folder.weights(part, rename);
        throw new EngineError('engine/assert', 'scheduler — has no weights');
      },
    },
    tokens,
  };
}

function parseSettings(bytes: Uint8Array): Config {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof json === 'object' && json !== null) return json as Config;
  } catch (cause) {
    throw new EngineError('weights/config', `${SCHEDULER} — got no JSON`, { cause });
  }
  throw new EngineError('weights/config', `${SCHEDULER} — got no object`);
}
