/** Text to token ids by a model's own tokenizer.json, at the length that its text encoder wants. */
import { Tokenizer } from '@huggingface/tokenizers';
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from '../weights/byte-source.ts';
import { cleanPrompt } from './clean-prompt.ts';

/** Returns the ids of a text, special tokens among them. */
export type TextTokenizer = (text: string) => readonly number[];

/** Bytes of the largest tokenizer.json that is read; UMT5's has 17 million. */
const MAX_BYTES = 64 * 2 ** 20;
const UMT5_TOKENS = 512;
const CLIP_TOKENS = 77;

/**
 * Returns Wan's tokenizer: prompts cleaned, `</s>` at the end, 512 tokens at most, no padding. Throws
 * `text/tokenizer` when the file is none, or one of another kind.
 */
export async function umt5Tokenizer(file: ByteSource): Promise<TextTokenizer> {
  const tokenizer = await openTokenizer(file);
  const end = specialId(tokenizer, '</s>');
  return (text) => fitted(tokenizer.encode(cleanPrompt(text)).ids, UMT5_TOKENS, end);
}

/**
 * Returns the tokenizer of a CLIP text encoder: `<|startoftext|>` … `<|endoftext|>`, padded with `pad` to 77 tokens.
 * Throws `text/tokenizer` when the file is none, or one of another kind.
 */
export async function clipTokenizer(
  file: ByteSource,
  pad: 'end' | 'zero' = 'end',
): Promise<TextTokenizer> {
  const tokenizer = await openTokenizer(file);
  const end = specialId(tokenizer, '<|endoftext|>');
  return (text) => {
    const ids = fitted(tokenizer.encode(text).ids, CLIP_TOKENS, end);
    const padding = Array<number>(CLIP_TOKENS - ids.length).fill(pad === 'end' ? end : 0);
    return [...ids, ...padding];
  };
}

/** Returns the library's tokenizer over a tokenizer.json. Throws `text/tokenizer`. */
export async function openTokenizer(file: ByteSource): Promise<Tokenizer> {
  if (file.size > MAX_BYTES) throw refuse(`${file.size} bytes, needs ≤ ${MAX_BYTES}`);
  const bytes = await file.read(0, file.size);
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof json !== 'object' || json === null) throw new TypeError('no object');
    return new Tokenizer(json, {});
  } catch (cause) {
    throw refuse('a file that the tokenizer library cannot read', cause);
  }
}

/** At most `limit` ids, the last of which is `end`. */
const fitted = (ids: readonly number[], limit: number, end: number): readonly number[] =>
  ids.length <= limit ? ids : [...ids.slice(0, limit - 1), end];

function specialId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.token_to_id(token);
  const ends = tokenizer.encode('').ids.at(-1);
  if (id === undefined || ends !== id) throw refuse(`one that does not end texts with ${token}`);
  return id;
}

const refuse = (have: string, cause?: unknown): EngineError =>
  new EngineError(
    'text/tokenizer',
    `tokenizer.json — got ${have} — use the model's own file`,
    cause === undefined ? {} : { cause },
  );
