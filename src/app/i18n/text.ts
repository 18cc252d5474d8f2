/** Texts of the page by name, with values filled in, and numbers as the language writes them. */
import { locale, words } from './locale.ts';
import type { Key } from './locale.ts';

export type Values = Readonly<Record<string, string | number>>;

/** Returns a text of the page; `{name}` in it becomes the value of that name. */
export const text = (key: Key, values: Values = {}): string =>
  fill(words.value[key] ?? key, values);

/** Returns the text of a name that is made at run time, such as a failure's code; undefined where there is none. */
export function textOf(group: string, name: string, values: Values = {}): string | undefined {
  const found = (words.value as Readonly<Record<string, string>>)[`${group}.${name}`];
  return found === undefined ? undefined : fill(found, values);
}

const fill = (pattern: string, values: Values): string =>
  pattern.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === 'number' ? numberText(value) : (value ?? `{${name}}`);
  });

/** Returns a number with at most `digits` after the point. */
export const numberText = (value: number, digits = 0): string =>
  new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits }).format(value);

/** Returns a share of 1 as a percentage. */
export const percentText = (share: number): string =>
  new Intl.NumberFormat(locale.value, { style: 'percent' }).format(share);

const unitText = (value: number, unit: string, digits = 0): string =>
  new Intl.NumberFormat(locale.value, {
    ...{ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits },
  }).format(value);

/** Returns a duration in the unit that suits it. */
export function durationText(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return unitText(Math.max(0.1, seconds), 'second', 1);
  if (seconds < 90) return unitText(Math.ceil(seconds), 'second');
  const minutes = seconds / 60;
  return minutes < 90 ? unitText(minutes, 'minute') : unitText(minutes / 60, 'hour', 1);
}

/** Returns a time that is left: whole seconds, so that it does not flicker. */
export const leftText = (ms: number): string =>
  durationText(1000 * Math.max(1, Math.ceil(ms / 1000)));

/** Returns a number of bytes in MB or GB, of 1000. */
export const bytesText = (bytes: number): string =>
  bytes < 1e9
    ? unitText(bytes / 1e6, 'megabyte', bytes < 1e7 ? 1 : 0)
    : unitText(bytes / 1e9, 'gigabyte', 1);

/** Returns a day and time. */
export const dateText = (at: Date): string =>
  new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short' }).format(at);
