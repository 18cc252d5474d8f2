/** Builds the bench's page, with the libraries that it compares with, into a folder of its own: no part of the app. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fingerprint } from '../scripts/lib/fingerprint-plugin.ts';
import { wgslLoader } from '../wgsl-loader/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: './',
  plugins: [wgslLoader(), fingerprint(here('..'))],
  build: {
    outDir: here('../dist-bench'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: here('index.html') },
  },
});
