/** CLIP's tokenizer from the two files that it was first released as: vocab.json and merges.txt. */
import { EngineError } from '../gpu/errors.ts';
import type { ByteSource } from '../weights/byte-source.ts';
import { bytesSource } from '../weights/byte-source.ts';
import type { ModelFiles } from '../weights/model-files.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { clipTokenizer } from './tokenizer.ts';

const START = '<|startoftext|>';
const END = '<|endoftext|>';
/** Pieces of a text: contractions, runs of letters, single digits, runs of what is neither. */
const PIECES = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
/** Bytes of the larger of the files that are read; the released one has a million. */
const MAX_BYTES = 16 * 2 ** 20;

/**
 * Resolves to the tokenizer in `folder` of a model's files (its own folder where empty), padded as `clipTokenizer` has it:
 * tokenizer.json, or else vocab.json and merges.txt. Undefined when there is none of them; throws `text/tokenizer`.
 */
export async function openClipTokenizer(
  files: ModelFiles,
  folder: string,
  pad: 'end' | 'zero',
): Promise<TextTokenizer | undefined> {
  const at = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
  const whole = await files.open(at('tokenizer.json'));
  if (whole) return clipTokenizer(whole, pad);
  const [vocabulary, merges] = [
    await files.open(at('vocab.json')),
    await files.open(at('merges.txt')),
  ];
  if (!vocabulary || !merges) return undefined;
  return clipTokenizer(bytesSource(await joined(vocabulary, merges)), pad);
}

/** Resolves to the bytes of a tokenizer.json made of both files. Throws `text/tokenizer`. */
async function joined(vocabulary: ByteSource, merges: ByteSource): Promise<Uint8Array> {
  const vocab = parseVocabulary(await textOf(vocabulary, 'vocab.json'));
  const lines = (await textOf(merges, 'merges.txt')).split('\n').map((line) => line.trim());
  const pairs = lines.filter((line) => line !== '' && !line.startsWith('#version'));
  const special = [START, END].map((content) => ({
    ...{ id: vocab[content], content, special: true, normalized: false },
    ...{ single_word: false, lstrip: false, rstrip: false },
  }));
  const json = {
    added_tokens: special,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: PIECES }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      ...{ type: 'RobertaProcessing', sep: [END, vocab[END]], cls: [START, vocab[START]] },
      ...{ trim_offsets: false, add_prefix_space: false },
    },
    decoder: null,
    model: { type: 'BPE', unk_token: END, end_of_word_suffix: '</w>', vocab, merges: pairs },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

async function textOf(file: ByteSource, name: string): Promise<string> {
  if (file.size > MAX_BYTES) throw refuse(name, `${file.size} bytes, needs ≤ ${MAX_BYTES}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.read(0, file.size));
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw refuse(name, 'no UTF-8 text', cause);
  }
}

function parseVocabulary(text: string): Readonly<Record<string, number>> {
  try {
    const json: unknown = JSON.parse(text);
    const entries = Object.entries(json as Readonly<Record<string, unknown>>);
    const vocab = new Map(entries.filter((entry): entry is [string, number] => isId(entry[1])));
    if (vocab.size === entries.length && vocab.has(START) && vocab.has(END)) {
      return Object.fromEntries(vocab);
    }
  } catch (cause) {
    throw refuse('vocab.json', 'no JSON', cause);
  }
  throw refuse('vocab.json', `no ids by token, ${START} and ${END} among them`);
}

const isId = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

const refuse = (file: string, have: string, cause?: unknown): EngineError =>
  new EngineError(
    'text/tokenizer',
    `${file} — got ${have} — use the model's own file`,
    cause === undefined ? {} : { cause },
  );
