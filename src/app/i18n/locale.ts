/** The page's language: chosen by the person, else by the browser; its words come as one lazily loaded file. */
import { computed, signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import { recall, remember } from '../state/remembered.ts';
import type en from './en.json';

/** Languages of the page. */
export const LOCALES = ['en', 'zh-CN'] as const;
export type Locale = (typeof LOCALES)[number];
/** Names of the page's texts. */
export type Key = keyof typeof en;
export type Words = Readonly<Record<Key, string>>;

const FILES: Readonly<Record<Locale, () => Promise<{ readonly default: Words }>>> = {
  en: () => import('./en.json'),
  'zh-CN': () => import('./zh-CN.json'),
};

const chosen = signal<{ readonly locale: Locale; readonly words: Words } | undefined>(undefined);

/** The language that the page speaks now. */
export const locale: ReadonlySignal<Locale> = computed(() => chosen.value?.locale ?? 'en');

/** The texts of that language. */
export const words: ReadonlySignal<Partial<Words>> = computed(() => chosen.value?.words ?? {});

/** Resolves when the page speaks `wanted`; the choice is remembered when `keep` is set. */
export async function chooseLocale(wanted: Locale, keep = true): Promise<void> {
  const { default: texts } = await FILES[wanted]();
  chosen.value = { locale: wanted, words: isPseudo() ? pseudo(texts) : texts };
  document.documentElement.lang = wanted;
  if (keep) remember('locale', wanted);
}

/** The language to begin with: remembered, else the first of the browser's that the page speaks. */
export function firstLocale(): Locale {
  const kept = recall('locale');
  const spoken = navigator.languages.map((tag) =>
    LOCALES.find((known) => known.split('-')[0] === tag.split('-')[0]),
  );
  return LOCALES.find((known) => known === kept) ?? spoken.find((known) => known) ?? 'en';
}

/** `?pseudo` brackets every text that comes from a file, so that one written into the page stands out. */
const isPseudo = (): boolean => new URLSearchParams(location.search).has('pseudo');

const pseudo = (texts: Words): Words =>
  Object.fromEntries(Object.entries(texts).map(([key, words]) => [key, `⟦${words}⟧`])) as Words;
