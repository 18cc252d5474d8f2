import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openClipTokenizer } from '../../src/engine/tokenizers/clip-vocabulary.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';

const file = (name: string): string =>
  readFileSync(new URL(`../fixtures/tokenizers/${name}`, import.meta.url), 'utf8');
const whole = file('clip.json');
const { model } = JSON.parse(whole) as {
  model: { vocab: Record<string, number>; merges: [string, string][] };
};
const cases = JSON.parse(file('cases.json')) as { text: string; clip: number[] }[];

const filesOf = (texts: Readonly<Record<string, string>>): ModelFiles => ({
  open: async (path) => {
    const text = texts[path];
    return text === undefined ? undefined : bytesSource(new TextEncoder().encode(text));
  },
});

const released = {
  'tokenizer/vocab.json': JSON.stringify(model.vocab),
  'tokenizer/merges.txt': ['#version: 0.2', ...model.merges.map((pair) => pair.join(' ')), ''].join(
    '\n',
  ),
};

describe('CLIP from vocab.json and merges.txt', () => {
  it('makes the tokens of the one file that was made of both', async () => {
    const [one, two] = [
      await openClipTokenizer(filesOf({ 'tokenizer.json': whole }), '', 'end'),
      await openClipTokenizer(filesOf(released), 'tokenizer', 'end'),
    ];
    for (const { text, clip } of cases) {
      expect(two?.(text)).toEqual(one?.(text));
      expect(two?.(text).slice(0, Math.min(76, clip.length))).toEqual(clip.slice(0, 76));
    }
  });

  it('is not found where one of the files is missing', async () => {
    const { 'tokenizer/vocab.json': vocab } = released;
    const alone = filesOf({ 'tokenizer/vocab.json': vocab });
    expect(await openClipTokenizer(alone, 'tokenizer', 'end')).toBeUndefined();
  });

  it.each([
    ['no JSON', '{'],
    ['no numbers', '{"<|startoftext|>": "a"}'],
    ['no special tokens', '{"a": 1}'],
  ])('refuses a vocabulary with %s', async (_, vocab) => {
    const files = filesOf({ ...released, 'tokenizer/vocab.json': vocab });
    await expect(openClipTokenizer(files, 'tokenizer', 'zero')).rejects.toMatchObject({
      code: 'text/tokenizer',
    });
  });
});
