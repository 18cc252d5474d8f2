import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { fingerprint } from './scripts/lib/fingerprint-plugin.ts';
import { trust } from './scripts/lib/trust-plugin.ts';
import { wgslLoader } from './wgsl-loader/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: './',
  plugins: [wgslLoader(), fingerprint(here('.')), trust(here('.'))],
  worker: { format: 'es', plugins: () => [wgslLoader()] },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: here('index.html'),
        animate: here('animate.html'),
      },
    },
  },
});
