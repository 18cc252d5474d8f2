/** Reads source files as text and answers what the architecture test asks: imports, cycles, missing doc comments. */
import { readFileSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';

export type SourceFile = { readonly path: string; readonly text: string };

/** Files below `folder` whose name ends with one of `endings`, with `/` in their paths, sorted. */
export function sourceFiles(folder: string, ...endings: readonly string[]): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

/** What a file imports: paths from the repository's root for relative imports, other names as they stand. */
export function importsOf({ path, text }: SourceFile): string[] {
  const code = text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = code.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'|new URL\(\s*'([^']+)'/g);
  return [...found].map(([, imported, url]) => {
    const name = (imported ?? url ?? '').replace(/\?.*$/, '');
    return name.startsWith('.') ? posix.join(posix.dirname(path), name) : name;
  });
}

/** Returns one import cycle as a list of paths that ends where it began, or nothing. */
export function findCycle(files: readonly SourceFile[]): string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const done = new Set<string>();
  const visit = (path: string, chain: readonly string[]): string[] => {
    const start = chain.indexOf(path);
    if (start >= 0) return [...chain.slice(start), path];
    if (done.has(path)) return [];
    for (const next of imports.get(path) ?? []) {
      const cycle = visit(next, [...chain, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  return files.map(({ path }) => visit(path, [])).find((cycle) => cycle.length > 0) ?? [];
}

const FUNCTION =
  /^export (?:async )?function\*? *(\w+)|^export const (\w+) = (?:async )?(?:<.*>)?\(/;
const CLASS = /^export (?:abstract )?class (\w+)/;
const ANY =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|type|const|interface) *(\w+)/;

/** Names of exported functions and classes without a doc comment right above; of every kind with `all`. */
export function undocumented({ text }: SourceFile, all = false): string[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const match = (all ? ANY : FUNCTION).exec(line) ?? CLASS.exec(line);
    const name = match?.[1] ?? match?.[2];
    const above = lines[i - 1]?.trimEnd() ?? '';
    return name === undefined || above.endsWith('*/') ? [] : [name];
  });
}

/** Pairs of file and name that an index file passes on: `export { a, type B } from './x.ts'`. */
export function passedOn({
  path,
  text,
}: SourceFile): { readonly file: string; readonly name: string }[] {
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)].flatMap(
    ([, names = '', from = '']) =>
      names
        .split(',')
        .map((part) => /^(?:type )?(\w+)/.exec(part.trim())?.[1])
        .filter((name) => name !== undefined)
        .map((name) => ({ file: posix.join(posix.dirname(path), from), name })),
  );
}
