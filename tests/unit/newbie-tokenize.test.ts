import { describe, expect, it } from 'vitest';
import { newbieTokenizer } from '../../src/engine/models/newbie/tokenize.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { tokenizerFile } from '../helpers/newbie-model.ts';

const gemma = bytesSource(tokenizerFile(['<unk>', '<bos>', '▁red', '▁bird']));
const jina = bytesSource(tokenizerFile(['<unk>', '<s>', '</s>', '▁bird', '▁red']));

describe('the tokenizer of NewBie', () => {
  it('marks the start for Gemma, both ends for Jina, and pads neither', async () => {
    const tokenize = await newbieTokenizer(gemma, jina);
    const { gemma: first, jina: second } = tokenize('red bird', '');
    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([1, 4, 3, 2]);
  });

  it('makes one token and two of no text', async () => {
    expect((await newbieTokenizer(gemma, jina))('')).toEqual({ gemma: [1], jina: [1, 2] });
  });

  it('cuts long texts as in training, with the end kept', async () => {
    const { gemma: first, jina: second } = (await newbieTokenizer(gemma, jina))(
      'bird '.repeat(3000).trim(),
      '',
    );
    expect(first).toHaveLength(512);
    expect(second).toHaveLength(2048);
    expect(second.at(-1)).toBe(2);
  });

  it('refuses a file without its marks', async () => {
    await expect(newbieTokenizer(jina, gemma)).rejects.toThrow(/without <bos>.*text\/tokenizer/);
  });
});
