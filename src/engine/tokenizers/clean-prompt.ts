/**
 * What becomes of a prompt before the Wan models read it. Original repository: wan/modules/tokenizers.py, `basic_clean` and
 * `whitespace_clean`, with the repairs of ftfy's `fix_text` except that of text decoded wrongly.
 */
import { unescapeHtml } from './entities.ts';

/** Returns the prompt repaired, its HTML entities resolved, its white space collapsed. */
export const cleanPrompt = (prompt: string): string =>
  unescapeHtml(unescapeHtml(repair(prompt)))
    .replace(SPACE, ' ')
    .trim();

/** A class of characters from pairs of first and last code, written so that no control character stands in the source. */
const ranges = (...pairs: readonly (readonly [number, number])[]): string =>
  `[${pairs.map(([first, last]) => `${codeUnit(first)}-${codeUnit(last)}`).join('')}]`;
const codeUnit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;

/** Python's white space, which has the separators of ASCII and U+0085 and lacks U+FEFF. */
const SPACE = new RegExp(
  `(?:${ranges([0x09, 0x0d], [0x1c, 0x20], [0x85, 0x85], [0xa0, 0xa0], [0x1680, 0x1680])}|` +
    `${ranges([0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000])})+`,
  'g',
);

const TERMINAL_COLOUR = new RegExp(`${codeUnit(0x1b)}\\[[\\d;]*[a-zA-Z]`, 'g');
const CONTROLS = new RegExp(
  `${ranges([0, 8], [0x0b, 0x0b], [0x0e, 0x1f], [0x7f, 0x7f], [0x206a, 0x206f])}|` +
    ranges([0xfeff, 0xfeff], [0xfff9, 0xfffc]),
  'g',
);

/** Pattern and replacement, in the order in which ftfy applies them. */
const REPAIRS: readonly (readonly [RegExp, string | ((found: string) => string)])[] = [
  [TERMINAL_COLOUR, ''],
  [/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, ligature],
  [/[\uff01-\uffef\u3000]/g, (wide) => wide.normalize('NFKC')],
  [/[\u02bc\u2018-\u201b]/g, "'"],
  [/[\u201c-\u201f]/g, '"'],
  [/\r\n|[\r\u2028\u2029\u0085]/g, '\n'],
  [CONTROLS, ''],
];

/** Letters that were cast as one. The long s of ﬅ stays. */
function ligature(letters: string): string {
  return letters === 'ﬅ' ? 'ſt' : letters.normalize('NFKC');
}

/** ftfy repeats its repairs until nothing changes. */
function repair(text: string): string {
  for (let before = text; ; before = text) {
    if (!text.includes('<')) text = text.replace(/&#?[\dA-Za-z]{1,24};/g, unescapeHtml);
    for (const [pattern, by] of REPAIRS) {
      text = typeof by === 'string' ? text.replace(pattern, by) : text.replace(pattern, by);
    }
    text = text.normalize('NFC');
    if (text === before) return text;
  }
}
