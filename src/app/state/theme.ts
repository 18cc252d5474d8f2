/** Dark or light: the person's choice, else the system's, set on the page's root. */
import { effect, signal } from '@preact/signals';
import { recall, remember } from './remembered.ts';

/** What can be chosen. */
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const kept = recall('theme');

/** The choice. */
export const theme = signal<Theme>(THEMES.find((known) => known === kept) ?? 'system');

/** Keeps the page in the chosen theme. */
export function applyTheme(): void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = (): void => {
    const dark = theme.value === 'system' ? system.matches : theme.value === 'dark';
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  };
  system.addEventListener('change', apply);
  effect(() => {
    apply();
    remember('theme', theme.value);
  });
}
