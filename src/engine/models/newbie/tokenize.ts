/** Texts to token ids, as the picture models' own tokenizer.json files say. */
import { EngineError } from '../../gpu/errors.ts';
import { openTokenizer } from '../../tokenizers/tokenizer.ts';
import type { ByteSource } from '../../weights/byte-source.ts';
import { promptTexts } from './prompt.ts';
import type { TextIds } from './request.ts';

/** Tokens that texts are cut to, as in training. */
const GEMMA_TOKENS = 512;
const JINA_TOKENS = 2048;

/** Returns the ids of a prompt for both encoders; `system` replaces the usual system prompt. */
export type NewbieTokenizer = (prompt: string, system?: string) => TextIds;

/**
 * Resolves to the tokenizer over Gemma's and Jina's files: `<bos>` in front and no end there, `<s>` … `</s>` here, no
 * padding. Throws `text/tokenizer` when a file is none, or one of another kind.
 */
export async function newbieTokenizer(
  gemma: ByteSource,
  jina: ByteSource,
): Promise<NewbieTokenizer> {
  const first = await idsOf(gemma, { start: '<bos>', limit: GEMMA_TOKENS });
  const second = await idsOf(jina, { start: '<s>', end: '</s>', limit: JINA_TOKENS });
  return (prompt, system) => {
    const texts = promptTexts(prompt, system);
    return { gemma: first(texts.gemma), jina: second(texts.jina) };
  };
}

async function idsOf(
  file: ByteSource,
  marks: { readonly start: string; readonly end?: string; readonly limit: number },
): Promise<(text: string) => readonly number[]> {
  const tokenizer = await openTokenizer(file);
  const idOf = (token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id !== undefined) return id;
    throw new EngineError(
      'text/tokenizer',
      `tokenizer.json — got one without ${token}, needs that of the text encoder — use the model's own file`,
    );
  };
  const before = [idOf(marks.start)];
  const behind = marks.end === undefined ? [] : [idOf(marks.end)];
  return (text) => {
    const { ids } = tokenizer.encode(text, { add_special_tokens: false });
    return [...before, ...ids.slice(0, marks.limit - before.length - behind.length), ...behind];
  };
}
