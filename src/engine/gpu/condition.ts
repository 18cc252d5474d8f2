/** Evaluates the conditions of `#if` lines: parameters, integers, strings, `! && || == != < > <= >=`, parentheses. */
import { EngineError } from './errors.ts';

/** What a `#param` can be set to. */
export type ParamValue = number | boolean | string;

type Reader = {
  readonly tokens: readonly string[];
  readonly values: Readonly<Record<string, ParamValue>>;
  at: number;
};

const TOKEN = /\s*(&&|\|\||==|!=|<=|>=|[!<>()]|"[^"]*"|'[^']*'|\d+|[A-Za-z_]\w*)/y;
const ORDER = ['<', '>', '<=', '>='];

/**
 * Returns whether the condition holds. A name is a parameter or, beside `==` or `!=`, a bare word such as `f16`.
 * `stage` names the shader in errors. Throws `shader/condition` for bad syntax, an unknown name or operands that do not compare.
 */
export function evaluateCondition(
  condition: string,
  values: Readonly<Record<string, ParamValue>>,
  stage: string,
): boolean {
  try {
    const reader: Reader = { tokens: tokenize(condition), values, at: 0 };
    const result = either(reader);
    const rest = reader.tokens[reader.at];
    if (rest !== undefined) throw new Error(`unexpected "${rest}"`);
    return truth(result);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(
      'shader/condition',
      `shader ${stage} — got "#if ${condition}", needs a condition over its parameters — ${reason}`,
      { stage, have: condition, cause },
    );
  }
}

/** Splits a condition into tokens; throws an `Error` at the first character that starts none. */
export function tokenize(condition: string): string[] {
  const tokens: string[] = [];
  let at = 0;
  while (condition.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(condition)?.[1];
    if (token === undefined) throw new Error(`cannot read "${condition.slice(at).trim()}"`);
    tokens.push(token);
    at = TOKEN.lastIndex;
  }
  return tokens;
}

function accept(reader: Reader, wanted: readonly string[]): string | undefined {
  const token = reader.tokens[reader.at];
  if (token === undefined || !wanted.includes(token)) return undefined;
  reader.at++;
  return token;
}

function either(reader: Reader): ParamValue {
  let left = both(reader);
  while (accept(reader, ['||'])) {
    const right = both(reader);
    left = truth(left) || truth(right);
  }
  return left;
}

function both(reader: Reader): ParamValue {
  let left = comparison(reader);
  while (accept(reader, ['&&'])) {
    const right = comparison(reader);
    left = truth(left) && truth(right);
  }
  return left;
}

function comparison(reader: Reader): ParamValue {
  const word = bareWord(reader);
  const left = word ?? operand(reader);
  const equality = accept(reader, ['==', '!=']);
  if (equality) {
    const right = bareWord(reader) ?? operand(reader);
    if (typeof left !== typeof right) throw new Error(`cannot compare ${left} with ${right}`);
    return equality === '==' ? left === right : left !== right;
  }
  if (word !== undefined) throw new Error(`"${word}" is no parameter`);
  const order = accept(reader, ORDER);
  return order ? inOrder(left, order, operand(reader)) : left;
}

function inOrder(left: ParamValue, order: string, right: ParamValue): boolean {
  if (typeof left !== 'number' || typeof right !== 'number') {
    throw new Error(`${order} needs numbers, got ${left} and ${right}`);
  }
  if (order === '<') return left < right;
  if (order === '>') return left > right;
  return order === '<=' ? left <= right : left >= right;
}

/** Takes the next token when it is a name that no parameter has. */
function bareWord(reader: Reader): string | undefined {
  const token = reader.tokens[reader.at] ?? '';
  const bare = /^[A-Za-z_]/.test(token) && !Object.hasOwn(reader.values, token);
  if (!bare || token === 'true' || token === 'false') return undefined;
  reader.at++;
  return token;
}

function operand(reader: Reader): ParamValue {
  const token = reader.tokens[reader.at++];
  if (token === undefined) throw new Error('it ends too early');
  if (token === '!') return !truth(operand(reader));
  if (token === '(') {
    const inner = either(reader);
    if (!accept(reader, [')'])) throw new Error('a ")" is missing');
    return inner;
  }
  if (/^\d/.test(token)) return Number(token);
  if (/^["']/.test(token)) return token.slice(1, -1);
  if (token === 'true' || token === 'false') return token === 'true';
  const value = Object.hasOwn(reader.values, token) ? reader.values[token] : undefined;
  if (value === undefined) throw new Error(`"${token}" is no parameter`);
  return value;
}

function truth(value: ParamValue): boolean {
  if (typeof value === 'string') throw new Error(`the string "${value}" is neither true nor false`);
  return Boolean(value);
}
