/** Small things that the page remembers on this machine. Where the browser keeps nothing, they last as long as the page. */

const PREFIX = 'zoetrope.';
const fallback = new Map<string, string>();

/** Returns what was remembered under a name. */
export function recall(name: string): string | undefined {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback.get(name);
  } catch {
    // Storage is switched off here: what this page was told still counts.
    return fallback.get(name);
  }
}

/** Remembers a value under a name. */
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    fallback.set(name, value);
  }
}

/** Forgets everything that was remembered. */
export function forgetAll(): void {
  fallback.clear();
  try {
    for (const name of Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))) {
      localStorage.removeItem(name);
    }
  } catch {
    // Nothing is kept where storage is switched off.
  }
}
