/**
 * `#unroll i 8` … `#end`: repeats lines with `$i` replaced by 0, 1, … 7. Software adapters keep arrays with a running
 * index in memory; lines written out keep their values in registers.
 */
import type { ParamValue } from './condition.ts';
import { EngineError } from './errors.ts';

const UNROLL = /^\s*#unroll\s+([a-z])\s+([\w\s*/]+)$/;
const END = /^\s*#end\s*$/;

/**
 * Returns `lines` with every `#unroll` written out, inner ones after outer ones. The count is made of whole numbers,
 * number parameters and constants by * and /. Throws `shader/unroll` for a bad count or unbalanced lines.
 */
export function unroll(
  lines: readonly string[],
  values: Readonly<Record<string, ParamValue>>,
  name: string,
): string[] {
  const written: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const [, letter, count] = UNROLL.exec(line) ?? [];
    if (letter === undefined || count === undefined) {
      if (/^\s*#/.test(line)) throw failure(name, `"${line.trim()}"`);
      written.push(line);
      continue;
    }
    const end = endOf(lines, at, name);
    const body = lines.slice(at + 1, end);
    for (let i = 0; i < countOf(count, values, name); i++) {
      written.push(
        ...unroll(
          body.map((text) => text.replaceAll(`$${letter}`, String(i))),
          values,
          name,
        ),
      );
    }
    at = end;
  }
  return written;
}

/** Index of the `#end` that closes the `#unroll` at `start`. */
function endOf(lines: readonly string[], start: number, name: string): number {
  let depth = 0;
  for (let at = start; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (UNROLL.test(line)) depth++;
    if (END.test(line) && --depth === 0) return at;
  }
  throw failure(name, '#unroll without #end');
}

function countOf(text: string, values: Readonly<Record<string, ParamValue>>, name: string): number {
  const factors = [...`*${text}`.matchAll(/([*/])\s*(\w+)/g)];
  const count = factors.reduce((product, [, sign, word = '']) => {
    const factor = Number(/^\d+$/.test(word) ? word : values[word]);
    return sign === '/' ? product / factor : product * factor;
  }, 1);
  if (!Number.isSafeInteger(count) || count < 0) throw failure(name, `the count "${text.trim()}"`);
  return count;
}

const failure = (name: string, what: string): EngineError =>
  new EngineError(
    'shader/unroll',
    `shader ${name} — got ${what}, needs "#unroll i COUNT" … "#end"`,
    {
      stage: name,
    },
  );
