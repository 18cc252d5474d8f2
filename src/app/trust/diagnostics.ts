/**
 * A text about this machine and this build to paste into a report. It is made of figures and names alone: no picture, no
 * prompt, no words that the user typed, which messages of errors may repeat.
 */
import type { Protection } from './protection.ts';

/** Filled in by the build: version of the program and a hash over its sources. */
declare const ABOUT: { readonly version: string; readonly sources: string };

/** What the page knows beside. */
export type DiagnosticsFacts = {
  readonly protection: Protection;
  readonly locale: string;
  readonly model?: string;
  readonly preset?: string;
  /** Stage of the run, and what it failed with: numbers are told, words are not. */
  readonly stage?: string;
  readonly failure?: {
    readonly code: string;
    readonly stage?: string | undefined;
    readonly have?: string | number | undefined;
    readonly need?: string | number | undefined;
  };
};

/** An adapter may not answer at all; the text is wanted all the more then. */
const PATIENCE_MS = 3000;

/** Resolves to the text. Never rejects: what cannot be found out is said to be unknown. */
export async function diagnostics(facts: DiagnosticsFacts): Promise<string> {
  const { failure } = facts;
  const numbers = [failure?.have, failure?.need].filter((value) => typeof value === 'number');
  const lines: readonly (readonly [name: string, value: string | undefined])[] = [
    ['program', `Zoetrope ${ABOUT.version}, sources ${ABOUT.sources}`],
    ['browser', navigator.userAgent],
    ['languages', [facts.locale, ...navigator.languages].join(', ')],
    ['screen', `${innerWidth} × ${innerHeight} at ${devicePixelRatio}`],
    ['processors', String(navigator.hardwareConcurrency)],
    ['policy by', facts.protection],
    ['secure page', String(isSecureContext)],
    ['model', facts.model],
    ['preset', facts.preset],
    ['stage', failure?.stage ?? facts.stage],
    ['failure', failure && [failure.code, ...numbers].join(' ')],
    ...(await storageLines().catch(unknown('storage'))),
    ...(await adapterLines().catch(unknown('adapter'))),
  ];
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

const unknown =
  (name: string) =>
  (error: unknown): [string, string][] => [
    [name, `unknown (${error instanceof Error ? error.name : 'no answer'})`],
  ];

async function storageLines(): Promise<[string, string][]> {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  const persisted = await navigator.storage.persisted();
  return [['storage', `${usage} of ${quota} bytes, ${persisted ? '' : 'not '}persistent`]];
}

async function adapterLines(): Promise<[string, string][]> {
  if (!('gpu' in navigator)) return [['adapter', 'no WebGPU']];
  const asked = navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new DOMException('no answer', 'TimeoutError')), PATIENCE_MS);
  });
  const adapter = await Promise.race([asked, late]);
  if (!adapter) return [['adapter', 'none']];
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const name = [vendor, architecture, device, description].filter((part) => part !== '').join(' ');
  const limits: string[] = [];
  for (const key in adapter.limits) {
    const value: unknown = Reflect.get(adapter.limits, key);
    if (typeof value === 'number') limits.push(`${key} ${value}`);
  }
  return [
    ['adapter', `${name}${isFallbackAdapter ? ' (fallback)' : ''}`],
    ['features', [...adapter.features].toSorted().join(', ')],
    ['limits', limits.toSorted().join(', ')],
  ];
}
