/** How the pages that measure are built: each into a folder of its own, no part of the app. */
import { fileURLToPath } from 'node:url';
import type { UserConfig } from 'vite';
import { wgslLoader } from '../../wgsl-loader/index.ts';
import { fingerprint } from './fingerprint-plugin.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Returns the configuration of the page in `folder`, built into `outDir`; both from the repository's root. */
export const pageConfig = (folder: string, outDir: string): UserConfig => ({
  root: `${root}${folder}`,
  base: './',
  plugins: [wgslLoader(), fingerprint(root)],
  worker: { format: 'es', plugins: () => [wgslLoader()] },
  build: {
    outDir: `${root}${outDir}`,
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: `${root}${folder}/index.html` },
  },
});
