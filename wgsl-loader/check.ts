/** Build-time checks of an assembled shader: balanced conditions over declared names, and unique bindings. */
import { tokenize } from '../src/engine/gpu/condition.ts';
import { errorAt } from './line.ts';
import type { Line } from './line.ts';

/** Throws when `#if` lines do not balance, or a condition uses a name that no `#param` declares. */
export function checkConditions(lines: readonly Line[], params: ReadonlySet<string>): void {
  const open: { readonly line: Line; closed: boolean }[] = [];
  for (const line of lines) {
    const [, keyword, condition = ''] = /^\s*#(\w+)\s*(.*)$/.exec(line.text) ?? [];
    if (keyword === undefined || keyword === 'unroll' || keyword === 'end') continue;
    if (keyword === 'if') open.push({ line, closed: false });
    const top = open.at(-1);
    if (!top) throw errorAt(line, `#${keyword} without #if`);
    if (keyword === 'endif') open.pop();
    else if (keyword !== 'if' && top.closed) throw errorAt(line, `#${keyword} after #else`);
    if (keyword === 'else') top.closed = true;
    if (keyword === 'if' || keyword === 'elif') checkNames(line, condition, params);
    else if (condition.trim() !== '') throw errorAt(line, `#${keyword} takes no condition`);
  }
  const [unclosed] = open;
  if (unclosed) throw errorAt(unclosed.line, '#if without #endif');
}

/** A name must be a parameter, or stand beside `==` or `!=` against one (`STORE == f16`). */
function checkNames(line: Line, condition: string, params: ReadonlySet<string>): void {
  const tokens = tokensOf(line, condition);
  if (tokens.length === 0) throw errorAt(line, 'a condition is missing');
  tokens.forEach((token, i) => {
    if (!/^[A-Za-z_]/.test(token) || params.has(token) || token === 'true' || token === 'false') {
      return;
    }
    const comparedWith = isEquality(tokens[i - 1])
      ? tokens[i - 2]
      : isEquality(tokens[i + 1])
        ? tokens[i + 2]
        : undefined;
    if (comparedWith === undefined || !params.has(comparedWith)) {
      throw errorAt(line, `"${token}" is not declared: add "#param ${token}"`);
    }
  });
}

const isEquality = (token: string | undefined): boolean => token === '==' || token === '!=';

function tokensOf(line: Line, condition: string): string[] {
  try {
    return tokenize(condition);
  } catch (cause) {
    throw errorAt(line, cause instanceof Error ? cause.message : String(cause));
  }
}

/** The branches a line stands in: number of the `#if` -> which of its branches. */
type Path = ReadonlyMap<number, number>;

/** Throws when two bindings that can be live at once share group and number. */
export function checkBindings(lines: readonly Line[]): void {
  const seen = new Map<string, { readonly line: Line; readonly path: Path }[]>();
  const path = new Map<number, number>();
  const open: number[] = [];
  let count = 0;
  for (const line of lines) {
    const [, keyword] = /^\s*#(\w+)/.exec(line.text) ?? [];
    const top = open.at(-1);
    if (keyword === 'if') {
      open.push(count);
      path.set(count++, 0);
    } else if (top !== undefined && (keyword === 'elif' || keyword === 'else')) {
      path.set(top, (path.get(top) ?? 0) + 1);
    } else if (top !== undefined && keyword === 'endif') {
      path.delete(top);
      open.pop();
    }
    const binding = bindingOf(line.text);
    if (binding === undefined) continue;
    const others = seen.get(binding) ?? [];
    const clash = others.find((other) => !exclusive(other.path, path));
    if (clash)
      throw errorAt(line, `${binding} is taken by ${clash.line.file}:${clash.line.number}`);
    seen.set(binding, [...others, { line, path: new Map(path) }]);
  }
}

function bindingOf(text: string): string | undefined {
  const [, group] = /@group\s*\(\s*(\d+)u?\s*\)/.exec(text) ?? [];
  const [, binding] = /@binding\s*\(\s*(\d+)u?\s*\)/.exec(text) ?? [];
  return group === undefined || binding === undefined
    ? undefined
    : `@group(${group}) @binding(${binding})`;
}

/** Two places can never both be live when they stand in different branches of one `#if`. */
const exclusive = (a: Path, b: Path): boolean =>
  [...a].some(([condition, branch]) => b.has(condition) && b.get(condition) !== branch);
