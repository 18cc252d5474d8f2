/**
 * Vite plugin: `import source from '../../shaders/x.wgsl'` gives `{ name, params, code }` (types: `wgsl.d.ts`).
 * Includes are resolved and checks made at build time; `src/engine/gpu/preprocess.ts` does the rest at run time.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import type { Plugin } from 'vite';
import { assemble } from './assemble.ts';

export type WgslLoaderOptions = {
  /** The shader folder, relative to Vite's root; include paths start there. */
  readonly folder?: string;
};

/** Returns the plugin. A shader outside the folder may include only what lies beside or below it. */
export function wgslLoader({ folder = 'src/shaders' }: WgslLoaderOptions = {}): Plugin {
  let shaders = resolve(folder);
  return {
    name: 'wgsl-loader',
    configResolved(config) {
      shaders = resolve(config.root, folder);
    },
    load: {
      filter: { id: /\.wgsl$/ },
      handler(id) {
        const inside = relative(shaders, id).replaceAll('\\', '/');
        const outside = inside.startsWith('..') || isAbsolute(inside);
        const home = outside ? dirname(id) : shaders;
        const { files, ...source } = assemble(outside ? basename(id) : inside, (file) =>
          readFileSync(resolve(home, file), 'utf8'),
        );
        for (const file of files) this.addWatchFile(resolve(home, file));
        return { code: `export default ${JSON.stringify(source)};\n`, map: null };
      },
    },
  };
}
