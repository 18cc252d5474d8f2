/** The page in each language and theme, and what axe-core says of it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'puppeteer';
import { expect } from 'vitest';

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
);

/** Every language with every theme. */
export const LOOKS = ['en', 'zh-CN'].flatMap((locale) =>
  ['light', 'dark'].map((theme) => [locale, theme] as const),
);

/** Sets language and theme, as people do. */
export async function choose(page: Page, locale: string, theme: string): Promise<void> {
  await page.waitForSelector('#language');
  await page.select('#language', locale);
  await page.select('#theme', theme);
  await page.waitForFunction(
    (lang, name) =>
      document.documentElement.lang === lang && document.documentElement.dataset['theme'] === name,
    {},
    locale,
    theme,
  );
}

type Found = { id: string; nodes: { html: string; failureSummary: string }[] };

/** Resolves to what axe-core finds wrong with the page as it is. */
export async function violations(page: Page): Promise<string[]> {
  // Colours on their way from one theme to the other are none that anyone reads.
  await page.waitForFunction(() =>
    document.getAnimations().every((each) => !(each instanceof CSSTransition)),
  );
  await page.evaluate(axeSource);
  const { found, rules } = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: Found[]; passes: Found[] }> };
    };
    const { violations, passes } = await axe.run();
    const found = violations.map(({ id, nodes }) => ({
      id,
      nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
    }));
    return { found, rules: passes.length };
  });
  expect(rules, 'rules that had something to look at').toBeGreaterThan(15);
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}
