/** Tells whether a built app belongs to the sources beside it: one hash over everything that goes into the build. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What `vite build` reads, relative to the repository's folder. */
const SOURCES = [
  'animate.html',
  'bench',
  'examples',
  'index.html',
  'package.json',
  'scripts/lib/page-config.ts',
  'scripts/lib/trust-plugin.ts',
  'src',
  'vite.config.ts',
  'weights',
  'wgsl-loader',
];

/** Read by no build. */
const LEFT_OUT = /\.(md|py)$/;

/** The file of a built app that keeps the fingerprint of its sources. */
export const FINGERPRINT_FILE = 'fingerprint.txt';

/**
 * Returns a hash over the names and contents of all sources of the app.
 * @param {string} root the repository's folder
 * @returns {string}
 */
export function sourceFingerprint(root) {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((name) => filesBelow(root, name))) {
    hash.update(`${file}\n`);
    hash.update(
      createHash('sha256')
        .update(readFileSync(join(root, file)))
        .digest(),
    );
  }
  return hash.digest('hex');
}

/**
 * Says whether the app in `dist` was built from the sources as they are.
 * @param {string} root
 * @param {string} dist
 * @returns {boolean}
 */
export function isFresh(root, dist) {
  const file = join(dist, FINGERPRINT_FILE);
  return existsSync(file) && readFileSync(file, 'utf8').trim() === sourceFingerprint(root);
}

/**
 * @param {string} root
 * @param {string} name
 * @returns {string[]} in one order on every machine
 */
function filesBelow(root, name) {
  const path = join(root, name);
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return LEFT_OUT.test(name) ? [] : [name];
  return readdirSync(path)
    .toSorted()
    .flatMap((child) => filesBelow(root, `${name}/${child}`));
}
