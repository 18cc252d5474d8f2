/** Reads a prompt for the few things that the built-in model understands, and says which words it took and left. */
import type { CameraMove } from './camera.ts';
import type { Ambient } from './settings.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import type { WordMeaning } from './words.ts';
import { FILLER, WORDS } from './words.ts';

export type PromptReading = {
  /** What the prompt settles; all else stays as the caller has it. */
  readonly settings: {
    readonly camera?: readonly CameraMove[];
    readonly ambient?: Ambient;
    readonly motion?: number;
    readonly loop?: boolean;
  };
  readonly understood: readonly { readonly words: string; readonly meaning: WordMeaning }[];
  /** Words without a meaning for this model, in order, each once. */
  readonly ignored: readonly string[];
};

type Match = { readonly at: number; readonly words: string; readonly meaning: WordMeaning };

/** Returns what `prompt` asks for. Adverbs multiply `motion`, the strength that is set otherwise. */
export function readPrompt(prompt: string, motion = DEFAULT_SETTINGS.motion): PromptReading {
  let rest = prompt.normalize('NFKC').toLowerCase();
  const matches: Match[] = [];
  for (const { pattern, meaning } of WORDS) {
    rest = rest.replace(pattern, (words: string, ...more: unknown[]) => {
      const at = more.find((value): value is number => typeof value === 'number') ?? 0;
      matches.push({ at, words, meaning });
      return ' '.repeat(words.length);
    });
  }
  matches.sort((a, b) => a.at - b.at);
  const left = rest.match(/\p{Script=Han}+|[\p{Letter}\p{Number}'’-]+/gu) ?? [];
  return {
    settings: settingsOf(matches, motion),
    understood: matches.map(({ words, meaning }) => ({ words, meaning })),
    ignored: [...new Set(left.filter((word) => !FILLER.has(word) && !/^['’-]+$/.test(word)))],
  };
}

function settingsOf(matches: readonly Match[], motion: number): PromptReading['settings'] {
  const meanings = matches.map(({ meaning }) => meaning);
  const moves = new Set(meanings.flatMap((m) => (m.kind === 'camera' ? [m.move] : [])));
  const still = meanings.some((m) => m.kind === 'still-camera');
  const wanted = new Set(meanings.flatMap((m) => (m.kind === 'ambient' ? [m.what] : [])));
  const factor = meanings.reduce((f, m) => (m.kind === 'strength' ? f * m.factor : f), 1);
  const flag = (what: 'sway' | 'water' | 'clouds'): number => (wanted.has(what) ? 1 : 0);
  return {
    ...((moves.size > 0 || still) && { camera: [...moves].map((move) => ({ move })) }),
    ...(wanted.size > 0 && {
      ambient: { sway: flag('sway'), water: flag('water'), clouds: flag('clouds') },
    }),
    ...(factor !== 1 && { motion: Math.min(1, motion * factor) }),
    ...(meanings.some((m) => m.kind === 'loop') && { loop: true }),
  };
}
