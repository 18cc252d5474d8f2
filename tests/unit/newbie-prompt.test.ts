import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import {
  SYSTEM_PROMPTS,
  promptTexts,
  readPrompt,
  writePrompt,
} from '../../src/engine/models/newbie/prompt.ts';

const prompt = {
  characters: [
    { n: ['$character_1$'], gender: ['1girl'], appearance: ['long_hair', 'blue_eyes'] },
    { n: ['hatsune_miku_(vocaloid)'], action: ['waving'] },
  ],
  general: { count: ['2girls'], quality: ['masterpiece'] },
  caption: 'Two friends wave from a bridge.',
};

const messageOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError && error.code === 'text/prompt') return error.message;
    throw error;
  }
  return 'nothing thrown';
};

describe('an XML prompt', () => {
  it('is written field by field, in the order of training, parentheses escaped', () => {
    expect(writePrompt(prompt)).toBe(
      [
        '<character_1>',
        '<n>$character_1$</n>',
        '<gender>1girl</gender>',
        '<appearance>long_hair, blue_eyes</appearance>',
        '</character_1>',
        '<character_2>',
        '<n>hatsune_miku_\\(vocaloid\\)</n>',
        '<action>waving</action>',
        '</character_2>',
        '<general_tags>',
        '<count>2girls</count>',
        '<quality>masterpiece</quality>',
        '</general_tags>',
        '<caption>Two friends wave from a bridge.</caption>',
      ].join('\n'),
    );
  });

  it('reads back as the fields that it was written from', () => {
    expect(readPrompt(writePrompt(prompt))).toEqual(prompt);
  });

  it('leaves out what is empty', () => {
    expect(writePrompt({ characters: [{}], general: { style: [] }, caption: ' ' })).toBe('');
  });

  it.each([
    ['<general_tags><count>1girl</general_tags>', '<count>'],
    ['<general_tags></count></general_tags>', '</count>'],
    ['<general_tags><hat>red</hat></general_tags>', '<hat>'],
    ['<general_tags><count>1</count><count>2</count></general_tags>', 'two <count>'],
    ['<character_2><n>a</n></character_2>', '<character_1> next'],
    ['1girl <caption>x</caption>', '"1girl"'],
    ['<caption>a <b>c</b></caption>', '<b>'],
    ['<weather>rain</weather>', '<weather>'],
    ['<caption a="1">x</caption>', '<caption a="1">'],
    ['<caption>x', '</caption> behind it'],
    ['<caption>x</caption><caption>y</caption>', 'two <caption>'],
  ])('is refused with what is wrong in it: %s', (text, named) => {
    expect(messageOf(() => readPrompt(text))).toContain(named);
  });

  it.each(['a, b', '', 'a<b', 'a\nb'])('has no tag like %j', (tag) => {
    expect(messageOf(() => writePrompt({ general: { other: [tag] } }))).toContain('<other>');
  });
});

describe('the texts of the encoders', () => {
  it('have the system prompt that fits before Gemma’s alone', () => {
    const xml = writePrompt(prompt);
    expect(promptTexts(xml)).toEqual({ gemma: SYSTEM_PROMPTS.xml + xml, jina: xml });
    expect(promptTexts('1girl, rain').gemma).toBe(`${SYSTEM_PROMPTS.tags}1girl, rain`);
    expect(promptTexts('1girl', 'Paint: ').gemma).toBe('Paint: 1girl');
  });

  it('stay empty for an empty prompt', () => {
    expect(promptTexts('')).toEqual({ gemma: '', jina: '' });
  });
});
