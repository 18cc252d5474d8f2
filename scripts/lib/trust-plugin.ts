/**
 * Vite plugin: writes the app's policy and its manifest into the pages of a build, and builds the service worker, which
 * knows every file of the build.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import type { Plugin } from 'vite';
import { sourceFingerprint } from './fingerprint.mjs';
import { PAGE_POLICY } from '../../src/app/trust/policy.mjs';
import { SHARED_PICTURE, SHARE_TARGET } from '../../src/app/trust/share-target.ts';

const MANIFEST = 'manifest.webmanifest';
const ICON = 'icon.svg';
/** Pages that people open; `animate.html` belongs to commands. */
const PAGE = 'index.html';
/** Fetched when they are first needed, and kept from then on. */
const IS_LATER = /\.safetensors$/;
/** For commands alone. */
const LEFT_OUT = /^(assets\/)?animate[.-]|^fingerprint\.txt$/;

const manifest = {
  name: 'Zoetrope',
  short_name: 'Zoetrope',
  description: 'Turns a picture into a video on your own graphics card, in this page.',
  id: './',
  start_url: './',
  scope: './',
  display: 'standalone',
  background_color: '#f4f1e8',
  theme_color: '#2f5d50',
  icons: [{ src: ICON, sizes: 'any', type: 'image/svg+xml', purpose: 'any' }],
  share_target: {
    action: SHARE_TARGET,
    method: 'POST',
    enctype: 'multipart/form-data',
    params: { files: [{ name: SHARED_PICTURE, accept: ['image/*'] }] },
  },
};

/** Returns the plugins; `root` is the repository's folder. A page in development knows what it is, and nothing more. */
export const trust = (root: string): Plugin[] => [
  { name: 'about', config: () => ({ define: { ABOUT: JSON.stringify(about(root)) } }) },
  policyAndShell(root),
];

const policyAndShell = (root: string): Plugin => ({
  name: 'trust',
  apply: 'build',
  enforce: 'post',
  transformIndexHtml: (_html, { filename }) => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: PAGE_POLICY },
      injectTo: 'head-prepend',
    },
    ...(filename.endsWith(PAGE)
      ? [
          {
            tag: 'link',
            attrs: { rel: 'manifest', href: `./${MANIFEST}` },
            injectTo: 'head' as const,
          },
        ]
      : []),
  ],
  generateBundle: {
    order: 'post',
    async handler(_options, bundle) {
      const own: Readonly<Record<string, string>> = {
        [MANIFEST]: JSON.stringify(manifest, undefined, 2),
        [ICON]: readFileSync(join(root, 'src/app/icon.svg'), 'utf8'),
      };
      for (const [fileName, source] of Object.entries(own)) {
        this.emitFile({ type: 'asset', fileName, source });
      }
      const contents = new Map<string, string | Uint8Array>(Object.entries(own));
      for (const [name, file] of Object.entries(bundle)) {
        if (!LEFT_OUT.test(name)) contents.set(name, 'code' in file ? file.code : file.source);
      }
      this.emitFile({
        type: 'asset',
        fileName: 'service-worker.js',
        source: await serviceWorker(join(root, 'src/app/trust/service-worker.ts'), contents),
      });
    },
  },
});

/** What a build says of itself: version and sources, not the time, so that the same sources give the same files. */
function about(root: string): { readonly version: string; readonly sources: string } {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return { version, sources: sourceFingerprint(root).slice(0, 12) };
}

/** The service worker's script, which knows the files of a build. */
async function serviceWorker(
  entry: string,
  contents: ReadonlyMap<string, string | Uint8Array>,
): Promise<string> {
  const files = [...contents.keys()].toSorted();
  const hash = createHash('sha256');
  for (const name of files) hash.update(name).update(contents.get(name) ?? '');
  const known = {
    version: hash.digest('hex').slice(0, 16),
    shell: files.filter((name) => !IS_LATER.test(name)),
    later: files.filter((name) => IS_LATER.test(name)),
  };
  const result = await build({
    configFile: false,
    logLevel: 'error',
    define: { BUILD: JSON.stringify(known) },
    build: {
      target: 'es2023',
      write: false,
      lib: { entry, formats: ['iife'], name: 'serviceWorker' },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  const script = output && 'output' in output ? output.output[0] : undefined;
  if (!script) throw new Error('the service worker does not build');
  return script.code;
}
