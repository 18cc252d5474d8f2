/** Joins a `.wgsl` file with its includes and checks what can be checked without reading WGSL itself. */
import { posix } from 'node:path';
import { checkBindings, checkConditions } from './check.ts';
import { errorAt } from './line.ts';
import type { Line } from './line.ts';

export type Assembled = {
  readonly name: string;
  readonly params: string[];
  readonly code: string;
  /** The files that went into it, the shader itself first. */
  readonly files: string[];
};

type Assembly = {
  readonly read: (file: string) => string;
  readonly lines: Line[];
  readonly files: Set<string>;
  /** Declared parameters with their kind: '' or 'type'. */
  readonly params: Map<string, string>;
};

const INCLUDE = /^\s*#include\s+"([^"]+)"\s*$/;
const PARAM = /^\s*#param\s+([A-Za-z_]\w*)(?:\s+(type))?\s*$/;
const CONDITION = /^\s*#(?:if|elif|else|endif|unroll|end)\b/;

/**
 * Returns the shader `file` with its includes in place, each once, and without comments, blank and `#param` lines.
 * `read` gives the text of a path below the shader folder; include paths are relative to that folder.
 * Throws an `Error` that begins with `file:line`: a missing or circular include, an unknown `#` line, unbalanced
 * `#if` lines, an undeclared name in a condition, two bindings with one number.
 */
export function assemble(file: string, read: (file: string) => string): Assembled {
  const assembly: Assembly = { read, lines: [], files: new Set(), params: new Map() };
  addFile(assembly, file, [], { text: '', file, number: 1 });
  checkConditions(assembly.lines, new Set(assembly.params.keys()));
  checkBindings(assembly.lines);
  return {
    name: file.replace(/\.wgsl$/, ''),
    params: [...assembly.params].map(([name, kind]) => (kind ? `${name} ${kind}` : name)),
    code: assembly.lines.map(({ text }) => `${text}\n`).join(''),
    files: [...assembly.files],
  };
}

/** Adds the lines of `file`; `from` is the line that asks for it, `chain` the files that lead to it. */
function addFile(assembly: Assembly, file: string, chain: readonly string[], from: Line): void {
  assembly.files.add(file);
  let depth = 0;
  textOf(assembly, file, from)
    .split('\n')
    .forEach((text, index) => {
      const line: Line = { text: text.trimEnd(), file, number: index + 1 };
      if (CONDITION.test(text)) {
        if (/^\s*#if\b/.test(text)) depth++;
        if (/^\s*#endif\b/.test(text)) depth--;
        assembly.lines.push(line);
      } else if (/^\s*#/.test(text)) {
        if (depth > 0) throw errorAt(line, `"${text.trim()}" stands inside #if: move it out`);
        addDeclaration(assembly, line, [...chain, file]);
      } else if (line.text !== '') {
        assembly.lines.push(line);
      }
    });
}

function textOf({ read }: Assembly, file: string, from: Line): string {
  try {
    return stripComments(read(file));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw errorAt(from, `cannot read "${file}": ${reason}`);
  }
}

function addDeclaration(assembly: Assembly, line: Line, chain: readonly string[]): void {
  const [, path] = INCLUDE.exec(line.text) ?? [];
  if (path !== undefined) {
    const file = posix.normalize(path);
    if (chain.includes(file)) {
      throw errorAt(line, `circular include: ${[...chain, file].join(' -> ')}`);
    }
    if (!assembly.files.has(file)) addFile(assembly, file, chain, line);
    return;
  }
  const [, name, kind = ''] = PARAM.exec(line.text) ?? [];
  if (name === undefined) {
    throw errorAt(line, `cannot read "${line.text.trim()}": knows #include, #param and #if lines`);
  }
  if ((assembly.params.get(name) ?? kind) !== kind) {
    throw errorAt(line, `#param ${name} is declared as a type and as a value`);
  }
  assembly.params.set(name, kind);
}

/**
 * Returns the text with LF line ends and comments taken out; block comments nest. Line numbers stay.
 * Throws when a block comment is never closed.
 */
export function stripComments(text: string): string {
  const tokens = /\/\*|\*\/|\/\/[^\n]*|\n|[^/*\n]+|[/*]/g;
  let depth = 0;
  let kept = '';
  for (const [token] of text.replaceAll('\r\n', '\n').matchAll(tokens)) {
    if (token === '/*') depth++;
    else if (token === '*/' && depth > 0) depth--;
    else if (token === '\n' || (depth === 0 && !token.startsWith('//'))) kept += token;
  }
  if (depth > 0) throw new Error('a block comment is never closed');
  return kept;
}
