import { describe, expect, it } from 'vitest';
import en from '../../src/app/i18n/en.json' with { type: 'json' };
import zh from '../../src/app/i18n/zh-CN.json' with { type: 'json' };
import { readPrompt } from '../../src/engine/models/motion/index.ts';
import { sourceFiles } from '../helpers/source-tree.ts';

const LOCALES: Readonly<Record<string, Readonly<Record<string, string>>>> = { en, 'zh-CN': zh };
const app = sourceFiles('src/app', '.ts', '.tsx');

const valuesIn = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([name]) => name).toSorted();

describe.each(Object.entries(LOCALES))('the texts in %s', (_, texts) => {
  it('have the same names as the English ones, in the same order', () => {
    expect(Object.keys(texts)).toEqual(Object.keys(en));
  });

  it('say something, and name the same values', () => {
    for (const [key, english] of Object.entries(en)) {
      expect(texts[key]?.trim(), key).not.toBe('');
      expect(valuesIn(texts[key] ?? ''), key).toEqual(valuesIn(english));
    }
  });

  it('suggest words that the built-in model understands', () => {
    const chips = Object.entries(texts).filter(([key]) => key.startsWith('chip.'));
    expect(chips.length).toBeGreaterThanOrEqual(6);
    for (const [key, words] of chips) {
      const { understood, ignored } = readPrompt(words);
      expect(ignored, key).toEqual([]);
      expect(understood.length, key).toBeGreaterThan(0);
    }
    const { understood, ignored } = readPrompt(texts['prompt.placeholder'] ?? '');
    expect(ignored).toEqual([]);
    expect(understood.length).toBeGreaterThan(1);
  });
});

describe('texts', () => {
  it('are all used: by their name, or by a group whose names are made at run time', () => {
    const source = app.map(({ text }) => text).join('\n');
    const groups = [...source.matchAll(/textOf\(\s*'([\w-]+)'|`([\w.]+)\.\$\{/g)].map(
      ([, called, made]) => `${called ?? made}.`,
    );
    const suffixes = [...source.matchAll(/`\$\{\w+\}(\.\w+)`/g)].map(([, made]) => made ?? '');
    const unused = Object.keys(en).filter(
      (key) =>
        !source.includes(`'${key}'`) &&
        !groups.some((group) => key.startsWith(group)) &&
        !suffixes.some((suffix) => key.endsWith(suffix)),
    );
    expect(unused).toEqual([]);
  });
});
