import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { FINGERPRINT_FILE, sourceFingerprint } from './scripts/lib/fingerprint.mjs';
import { wgslLoader } from './wgsl-loader/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Leaves a hash of the sources in the build, so that the commands know when to build again. */
const fingerprint = (): Plugin => ({
  name: 'fingerprint',
  apply: 'build',
  generateBundle() {
    this.emitFile({
      type: 'asset',
      fileName: FINGERPRINT_FILE,
      source: sourceFingerprint(here('.')),
    });
  },
});

export default defineConfig({
  base: './',
  plugins: [wgslLoader(), fingerprint()],
  worker: { format: 'es', plugins: () => [wgslLoader()] },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: here('index.html'),
        animate: here('animate.html'),
        bench: here('bench/index.html'),
      },
    },
  },
});
