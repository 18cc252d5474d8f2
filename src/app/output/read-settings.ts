/** Settings out of a file that this app wrote; whatever a stranger put there is checked before anything believes it. */
import { EngineError, fileComment, resolveSettings } from '../../engine/index.ts';
import type { Settings } from '../../engine/index.ts';

/** What a file tells: settings, and which model made it. */
export type FoundSettings = {
  readonly settings: Partial<Settings>;
  /** Name of a model, if it looks like one; it may be unknown here. */
  readonly model?: string;
};

/** A larger file is no video of this app. */
const LARGEST_FILE = 2 ** 30;
/** The engine has a limit of its own for prompts; this one is for every text. */
const LONGEST_TEXT = 10_000;
const MODEL_NAME = /^[\w .,()-]{1,80}$/u;

type Name = keyof Settings;

const TEXTS: readonly Name[] = [
  'prompt',
  'camera',
  'negativePrompt',
  'preset',
  'precision',
  'weights',
];
const NUMBERS: readonly Name[] = [
  ...(['frames', 'steps', 'motion', 'seed', 'fps'] as const),
  ...(['guidance', 'shift', 'rate', 'eta', 'imageGuidance'] as const),
];
const SWITCHES: readonly Name[] = ['loop', 'pinFirst', 'stream'];

const none = (detail: string): EngineError =>
  new EngineError(
    'settings/none',
    `file — got ${detail}, needs settings of this app — choose a video that was saved with its settings`,
  );

/**
 * Resolves to the settings in an MP4, WebM, GIF or PNG file. Throws `settings/none` for a file without any, `settings/` and a
 * name for a value out of its range, `video/unknown` and `video/damaged` for what is no such file.
 */
export async function settingsOf(file: Blob): Promise<FoundSettings> {
  if (file.size > LARGEST_FILE) throw none(`${file.size} bytes`);
  const text = fileComment(new Uint8Array(await file.arrayBuffer()));
  if (text === undefined) throw none('none');
  return checkedSettings(text);
}

/** Returns the settings in a text. Throws `settings/none`, or `settings/` and a name. */
export function checkedSettings(text: string): FoundSettings {
  const found = recordOf(text);
  const settings: Record<string, unknown> = {};
  const take = (names: readonly Name[], kind: string): void => {
    for (const name of names) {
      const value = found.get(name);
      const isLong = typeof value === 'string' && value.length > LONGEST_TEXT;
      if (typeof value === kind && !isLong) settings[name] = value;
    }
  };
  take(TEXTS, 'string');
  take(NUMBERS, 'number');
  take(SWITCHES, 'boolean');
  const size = sizeOf(found.get('size'));
  if (size) settings['size'] = size;
  if (Object.keys(settings).length === 0) throw none('none that are known');
  const partial = settings as Partial<Settings>;
  resolveSettings(partial); // throws for whatever is out of its range
  const model = found.get('model');
  const named = typeof model === 'string' && MODEL_NAME.test(model);
  return { settings: partial, ...(named && { model }) };
}

/** The members of a JSON object; a map, in which no name means anything by itself. */
function recordOf(text: string): ReadonlyMap<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw none('a text that is no JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw none('JSON that is no object');
  }
  return new Map(Object.entries(parsed));
}

function sizeOf(value: unknown): Settings['size'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { width, height } = value as { readonly width?: unknown; readonly height?: unknown };
  return typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined;
}
