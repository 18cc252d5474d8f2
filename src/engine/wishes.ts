/** What prompt and camera words ask of the built-in model, and which words counted. */
import { EngineError } from './gpu/errors.ts';
import { CAMERA_MOVES, readPrompt } from './models/motion/index.ts';
import type { Ambient, CameraMove } from './models/motion/index.ts';
import type { Settings } from './settings.ts';

export type Wishes = {
  readonly motion: number;
  readonly loop: boolean;
  /** Absent when nothing was said of the camera. */
  readonly camera?: readonly CameraMove[] | 'free';
  readonly ambient?: Ambient;
  readonly understood: readonly string[];
  readonly ignored: readonly string[];
};

/** The moves of the camera as words, for help texts. */
export const CAMERA_WORDS: string = [...CAMERA_MOVES, 'still', 'free (the model chooses)']
  .join(', ')
  .replaceAll('-', ' ');

/**
 * Returns what the settings ask for in words and numbers together; camera words outdo the prompt's.
 * Throws `settings/camera` when `camera` holds a word that is none.
 */
export function readWishes({ prompt, camera, motion, loop }: Settings): Wishes {
  const said = readPrompt(prompt, motion);
  const path = camera.trim() === '' ? undefined : cameraPath(camera);
  return {
    motion,
    ...said.settings,
    loop: loop || said.settings.loop === true,
    ...(path && { camera: path.moves }),
    understood: [...(path?.understood ?? []), ...said.understood.map(({ words }) => words)],
    ignored: said.ignored,
  };
}

function cameraPath(text: string): { moves: CameraMove[] | 'free'; understood: string[] } {
  if (/^\s*free\s*$/i.test(text)) return { moves: 'free', understood: ['free'] };
  const spelled = text
    .replaceAll('-', ' ')
    .replace(/\b(still|static|fixed)\b(?! camera)/gi, '$1 camera');
  const { settings, understood, ignored } = readPrompt(spelled);
  if (!settings.camera || ignored.length > 0) {
    const have = ignored[0] ?? text;
    throw new EngineError(
      'settings/camera',
      `camera — got "${have}", knows ${CAMERA_WORDS} — use these words`,
      { have },
    );
  }
  const amount = understood.reduce(
    (product, { meaning }) => (meaning.kind === 'strength' ? product * meaning.factor : product),
    1,
  );
  return {
    moves: settings.camera.map(({ move }) => ({ move, amount })),
    understood: understood.map(({ words }) => words),
  };
}
