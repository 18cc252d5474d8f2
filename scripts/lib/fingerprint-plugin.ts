/** Vite plugin: leaves a hash of the sources in a build, so that the commands know when to build again. */
import type { Plugin } from 'vite';
import { FINGERPRINT_FILE, sourceFingerprint } from './fingerprint.mjs';

/** Returns the plugin; `root` is the repository's folder. */
export const fingerprint = (root: string): Plugin => ({
  name: 'fingerprint',
  apply: 'build',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: FINGERPRINT_FILE, source: sourceFingerprint(root) });
  },
});
