/** Builds the page that compares videos, into a folder of its own. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fingerprint } from '../../scripts/lib/fingerprint-plugin.ts';
import { wgslLoader } from '../../wgsl-loader/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: './',
  plugins: [wgslLoader(), fingerprint(here('../..'))],
  worker: { format: 'es', plugins: () => [wgslLoader()] },
  build: {
    outDir: here('../../dist-quality'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: here('index.html') },
  },
});
