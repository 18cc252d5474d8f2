/**
 * The last step from a `.wgsl` file to the text that the compiler gets: fills in parameters, chooses `#if` branches and
 * writes out `#unroll`.
 * Pure string work; it never parses WGSL, so that any syntax the compiler knows passes through.
 */
import { evaluateCondition } from './condition.ts';
import type { ParamValue } from './condition.ts';
import { EngineError } from './errors.ts';
import { unroll } from './unroll.ts';

/** A shader as `wgsl-loader` delivers it: comments gone, includes in place, conditions still open. */
export type WgslSource = {
  readonly name: string;
  /** Declared parameters: `NAME`, or `NAME type` for one whose string value becomes a type alias. */
  readonly params: readonly string[];
  readonly code: string;
};

export type ParamValues = Readonly<Record<string, ParamValue>>;

type Branch = { readonly outer: boolean; taken: boolean; live: boolean; closed: boolean };

const DIRECTIVE = /^\s*(?:enable|requires|diagnostic)\b[^{]*;\s*$/;
const CONDITION = /^\s*#(if|elif|else|endif)\b(.*)$/;

/**
 * Returns the WGSL of one variant: live directives first, then a line for each parameter, then the live code.
 * A number becomes `const NAME = 64;`, a boolean `const NAME = true;`, the string of a `#param NAME type` becomes
 * `alias NAME = f16;`; any other string serves conditions only.
 * Throws `shader/param` when a declared parameter has no value or a value has no declaration, `shader/condition` when a
 * condition cannot be evaluated or `#if` lines do not balance, `shader/unroll` for a bad `#unroll`.
 */
export function preprocess(source: WgslSource, values: ParamValues): string {
  const constants = declareParams(source, values);
  const lines = liveLines(source, values);
  const live = unroll(lines, { ...literalConstants(lines), ...values }, source.name);
  const directives = live.filter((line) => DIRECTIVE.test(line));
  const code = live.filter((line) => !DIRECTIVE.test(line));
  return [...new Set(directives), ...constants, ...code, ''].join('\n');
}

/** Constants that the code sets to a whole number, for the counts of `#unroll`. */
const literalConstants = (lines: readonly string[]): ParamValues =>
  Object.fromEntries(
    lines.flatMap((line) =>
      [...line.matchAll(/\bconst (\w+) = (\d+)u?;/g)].map(([, name = '', value]) => [
        name,
        Number(value),
      ]),
    ),
  );

function declareParams(source: WgslSource, values: ParamValues): string[] {
  const declared = new Map(source.params.map((param) => splitParam(param)));
  for (const name of Object.keys(values)) {
    if (!declared.has(name)) {
      const known = [...declared.keys()].join(', ') || 'none';
      throw new EngineError(
        'shader/param',
        `shader ${source.name} — got a value for ${name}, knows the parameters ${known} — add "#param ${name}" or drop it`,
        { stage: source.name, have: name },
      );
    }
  }
  return [...declared].flatMap(([name, kind]) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new EngineError(
        'shader/param',
        `shader ${source.name} — got ${value} for ${name}, needs a value for each parameter`,
        { stage: source.name, have: String(value), need: name },
      );
    }
    if (kind === 'type') return [`alias ${name} = ${value};`];
    return typeof value === 'string' ? [] : [`const ${name} = ${value};`];
  });
}

function splitParam(param: string): readonly [name: string, kind: string] {
  const [name = '', kind = ''] = param.trim().split(/\s+/);
  return [name, kind];
}

/** Returns the lines outside dead branches, without the lines of the conditions. */
function liveLines({ name, code }: WgslSource, values: ParamValues): string[] {
  const open: Branch[] = [];
  const isLive = (): boolean => open.at(-1)?.live ?? true;
  const lines = code.split('\n').filter((line) => {
    const match = CONDITION.exec(line);
    if (!match) return isLive() && line.trim() !== '';
    enterBranch(open, match[1] ?? '', (match[2] ?? '').trim(), values, name);
    return false;
  });
  if (open.length > 0) throw unbalanced(name, '#if without #endif');
  return lines;
}

function enterBranch(
  open: Branch[],
  keyword: string,
  condition: string,
  values: ParamValues,
  name: string,
): void {
  if (keyword === 'if') {
    const outer = open.at(-1)?.live ?? true;
    const live = outer && evaluateCondition(condition, values, name);
    open.push({ outer, taken: live, live, closed: false });
    return;
  }
  const branch = open.at(-1);
  if (!branch) throw unbalanced(name, `#${keyword} without #if`);
  if (keyword === 'endif') {
    open.pop();
    return;
  }
  if (branch.closed) throw unbalanced(name, `#${keyword} after #else`);
  const candidate = branch.outer && !branch.taken;
  branch.live = candidate && (keyword === 'else' || evaluateCondition(condition, values, name));
  branch.taken ||= branch.live;
  branch.closed = keyword === 'else';
}

const unbalanced = (name: string, what: string): EngineError =>
  new EngineError('shader/condition', `shader ${name} — got ${what}, needs balanced #if lines`, {
    stage: name,
  });
