import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cleanPrompt } from '../../src/engine/tokenizers/clean-prompt.ts';
import { clipTokenizer, umt5Tokenizer } from '../../src/engine/tokenizers/tokenizer.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';

const file = (name: string): Uint8Array =>
  readFileSync(new URL(`../fixtures/tokenizers/${name}`, import.meta.url));
const cases = JSON.parse(file('cases.json').toString()) as {
  readonly text: string;
  readonly clean: string;
  readonly umt5: readonly number[];
  readonly clip: readonly number[];
}[];
const named = cases.map((each) => [JSON.stringify(each.text).slice(0, 60), each] as const);

describe('a prompt', () => {
  it.each(named)('%s is cleaned as by ftfy and html.unescape', (_name, { text, clean }) => {
    expect(cleanPrompt(text)).toBe(clean);
  });

  it('keeps references that are none, and replaces those that may not be', () => {
    expect(cleanPrompt('a & b &x; &#xD800; &#150; &#1; &#0;')).toBe('a & b &x; \ufffd – \ufffd');
  });
});

describe('the tokenizer of UMT5', () => {
  it.each(named)('%s', async (_name, { text, umt5 }) => {
    expect((await umt5Tokenizer(bytesSource(file('umt5.json'))))(text)).toEqual(umt5);
  });

  it('cuts at 512 tokens, the last of which ends the text', async () => {
    const ids = (await umt5Tokenizer(bytesSource(file('umt5.json'))))('wren '.repeat(600));
    expect(ids).toHaveLength(512);
    expect(ids.at(-1)).toBe(1);
  });

  it('makes one token of no text', async () => {
    expect((await umt5Tokenizer(bytesSource(file('umt5.json'))))('')).toEqual([1]);
  });
});

describe('the tokenizer of CLIP', () => {
  it.each(named)('%s', async (_name, { text, clip }) => {
    const want = clip.length <= 77 ? clip : [...clip.slice(0, 76), 1];
    const padded = [...want, ...Array<number>(77 - want.length).fill(1)];
    expect((await clipTokenizer(bytesSource(file('clip.json'))))(text)).toEqual(padded);
  });

  it('pads with zeros where the model wants that', async () => {
    const ids = (await clipTokenizer(bytesSource(file('clip.json')), 'zero'))('');
    expect(ids).toEqual([0, 1, ...Array<number>(75).fill(0)]);
  });
});

describe('a tokenizer.json', () => {
  it.each([
    ['no JSON', 'text'],
    ['no object', '3'],
    ['no model', '{}'],
  ])('that is %s is refused', async (_what, text) => {
    const opening = umt5Tokenizer(bytesSource(new TextEncoder().encode(text)));
    await expect(opening).rejects.toMatchObject({ code: 'text/tokenizer' });
  });

  it('of another kind of model is refused', async () => {
    const opening = umt5Tokenizer(bytesSource(file('clip.json')));
    await expect(opening).rejects.toMatchObject({ code: 'text/tokenizer' });
    const other = clipTokenizer(bytesSource(file('umt5.json')));
    await expect(other).rejects.toMatchObject({ code: 'text/tokenizer' });
  });
});
