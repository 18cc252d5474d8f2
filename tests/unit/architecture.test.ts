import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SourceFile } from '../helpers/source-tree.ts';
import {
  findCycle,
  importsOf,
  passedOn,
  sourceFiles,
  undocumented,
} from '../helpers/source-tree.ts';

const engine = sourceFiles('src/engine', '.ts');
const source = sourceFiles('src', '.ts', '.tsx');
const shaders = sourceFiles('src/shaders', '.wgsl');
const kernels = shaders.filter(({ path }) => !path.startsWith('src/shaders/lib/'));

/** Which folders of src/engine each of them may import, beside itself. The chain, then what stands beside it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  gpu: [],
  kernels: ['gpu'],
  graph: ['kernels', 'gpu'],
  tuning: ['graph', 'kernels', 'gpu'],
  profile: ['graph'],
  nn: ['graph', 'kernels', 'gpu', 'weights'],
  models: [
    'nn',
    'graph',
    'kernels',
    'gpu',
    'weights',
    'tokenizers',
    'sampling',
    'image',
    'video',
    'audio',
  ],
  weights: ['graph', 'kernels', 'gpu'],
  tokenizers: ['weights', 'gpu'],
  sampling: ['graph', 'kernels', 'gpu'],
  image: ['gpu'],
  audio: ['gpu'],
  video: ['gpu', 'image'],
};

/** Pure functions on numbers that import nothing but the error type: any folder may use them. */
const LEAVES = [
  'src/engine/gpu/errors.ts',
  'src/engine/weights/block-types.ts',
  'src/engine/weights/convert.ts',
];

/** The two doors of the engine. */
const DOORS = ['src/engine/index.ts', 'src/engine/pipeline.ts'];

/** Folder below src/engine; '' for a file of src/engine itself or outside it. */
const folderOf = (path: string): string => /^src\/engine\/([^/]+)\//.exec(path)?.[1] ?? '';

function upward(file: SourceFile): string[] {
  const folder = folderOf(file.path);
  const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])];
  return importsOf(file)
    .filter((path) => path.startsWith('src/') && !path.endsWith('.wgsl') && !LEAVES.includes(path))
    .filter((path) => folder !== '' && !allowed.includes(folderOf(path)))
    .map((path) => `${file.path} imports ${path}`);
}

describe('imports', () => {
  it('point one way inside the engine', () => {
    expect(engine.flatMap(upward)).toEqual([]);
  });

  it('know every folder of the engine', () => {
    const folders = new Set(engine.map(({ path }) => folderOf(path)).filter((name) => name !== ''));
    expect([...folders].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
  });

  it('never lead from the engine to the app', () => {
    const strays = engine.filter((file) =>
      importsOf(file).some((path) => path.startsWith('src/app')),
    );
    expect(strays.map(({ path }) => path)).toEqual([]);
  });

  it('lead from the app to the engine through its doors alone', () => {
    const inner = source
      .filter(({ path }) => path.startsWith('src/app/'))
      .flatMap((file) =>
        importsOf(file)
          .filter((path) => path.startsWith('src/engine/') && !DOORS.includes(path))
          .map((path) => `${file.path} imports ${path}`),
      );
    expect(inner).toEqual([]);
  });

  it('keep leaves free of everything but the error type', () => {
    const leaves = engine.filter(({ path }) => LEAVES.includes(path));
    expect(leaves.map(({ path }) => path)).toEqual(LEAVES);
    expect(leaves.flatMap(importsOf).filter((path) => !LEAVES.includes(path))).toEqual([]);
  });

  it('make no cycle', () => {
    expect(findCycle(source)).toEqual([]);
  });

  it('reach Node only from files named node-*.ts, which no other file of the engine imports', () => {
    const strays = engine.flatMap((file) =>
      importsOf(file)
        .filter((path) => path.startsWith('node:') || basename(path).startsWith('node-'))
        .filter(() => !basename(file.path).startsWith('node-'))
        .map((path) => `${file.path} imports ${path}`),
    );
    expect(strays).toEqual([]);
  });

  it('name files with their ending', () => {
    const bare = source.flatMap((file) =>
      importsOf(file)
        .filter((path) => path.startsWith('src/') && !existsSync(path))
        .map((path) => `${file.path} imports ${path}`),
    );
    expect(bare).toEqual([]);
  });
});

describe('a kernel', () => {
  it.each(kernels.map(({ path }) => basename(path, '.wgsl')))(
    '%s has its parts under one name',
    (name) => {
      expect(existsSync(`src/engine/kernels/${name}.ts`), 'descriptor').toBe(true);
      expect(existsSync(`tests/kernels/${name}.test.ts`), 'test').toBe(true);
      const descriptor = engine.find(({ path }) => path === `src/engine/kernels/${name}.ts`);
      expect(descriptor && importsOf(descriptor)).toContain(`src/shaders/${name}.wgsl`);
    },
  );

  it('begins its shader with its name, and keeps lib files for sharing', () => {
    const misnamed = kernels.filter(
      ({ path, text }) => !text.startsWith(`// ${basename(path, '.wgsl')}: `),
    );
    expect(misnamed.map(({ path }) => path)).toEqual([]);
    const unused = shaders
      .filter((lib) => !kernels.includes(lib))
      .map(({ path }) => path.replace('src/shaders/', ''))
      .filter((path) => !shaders.some(({ text }) => text.includes(`#include "${path}"`)));
    expect(unused).toEqual([]);
  });
});

describe('files', () => {
  const code = ['src', 'tests', 'scripts', 'wgsl-loader', 'bench', 'examples']
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => sourceFiles(folder, '.ts', '.tsx', '.mjs'));
  const tooLong = (files: readonly SourceFile[], most: number): string[] =>
    files
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > most)
      .map(({ path, lines }) => `${path}: ${lines} lines`);

  it('stay within 400 lines, shaders within 150', () => {
    expect(tooLong(code, 400)).toEqual([]);
    expect(tooLong(shaders, 150)).toEqual([]);
  });

  it('of the source begin with a comment on their role', () => {
    const mute = source.filter(({ text }) => !text.startsWith('/**'));
    expect(mute.map(({ path }) => path)).toEqual([]);
  });

  it('are named in kebab-case', () => {
    const odd = [...code, ...shaders].filter(
      ({ path }) => !/^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(basename(path)),
    );
    expect(odd.map(({ path }) => path)).toEqual([]);
  });
});

describe('doc comments', () => {
  it('stand on every exported function and class of the engine', () => {
    const silent = engine.flatMap((file) =>
      undocumented(file).map((name) => `${file.path}: ${name}`),
    );
    expect(silent).toEqual([]);
  });

  it('stand on everything that the doors of the engine pass on', () => {
    const silent = engine
      .filter(({ path }) => DOORS.includes(path))
      .flatMap(passedOn)
      .filter(({ file, name }) => {
        const origin = engine.find(({ path }) => path === file);
        return origin && undocumented(origin, true).includes(name);
      })
      .map(({ file, name }) => `${file}: ${name}`);
    expect(silent).toEqual([]);
  });
});

describe('the reader of sources', () => {
  const file = (path: string, text: string): SourceFile => ({ path, text });

  it('resolves imports of every form and passes over comments', () => {
    const text = [
      "import a from '../gpu/a.ts';",
      "import type {\n  B,\n} from './b.ts';",
      "export { c } from './c.ts';",
      "const d = await import('./d.ts');",
      "new Worker(new URL('./e.ts', import.meta.url));",
      "import f from './f.ts?worker&url';",
      "// import g from './g.ts';",
      "/* import h from './h.ts'; */",
      "import { open } from 'node:fs';",
    ].join('\n');
    expect(importsOf(file('src/engine/x/y.ts', text))).toEqual([
      'src/engine/gpu/a.ts',
      ...['b', 'c', 'd', 'e', 'f'].map((name) => `src/engine/x/${name}.ts`),
      'node:fs',
    ]);
  });

  it('finds a cycle behind other files, and none where there is none', () => {
    const chain = [
      file('a.ts', "import './b.ts';"),
      file('b.ts', "import './c.ts';"),
      file('c.ts', ''),
    ];
    expect(findCycle(chain)).toEqual([]);
    const circle = [...chain.slice(0, 2), file('c.ts', "import type { B } from './b.ts';")];
    expect(findCycle(circle)).toEqual(['b.ts', 'c.ts', 'b.ts']);
  });

  it('sees an import that points upwards', () => {
    expect(upward(file('src/engine/gpu/x.ts', "import '../graph/graph.ts';"))).toEqual([
      'src/engine/gpu/x.ts imports src/engine/graph/graph.ts',
    ]);
    expect(upward(file('src/engine/graph/x.ts', "import '../gpu/device.ts';"))).toEqual([]);
  });

  it('sees which exports lack a doc comment', () => {
    const text = [
      '/** Said. */\nexport function said() {}',
      'export async function silent() {}',
      'export const arrow = (x: number) => x;',
      'export class Thing {}',
      'export const value = 3;\nexport type Shape = number[];',
    ].join('\n\n');
    expect(undocumented(file('x.ts', text))).toEqual(['silent', 'arrow', 'Thing']);
    expect(undocumented(file('x.ts', text), true)).toEqual([
      'silent',
      'arrow',
      'Thing',
      'value',
      'Shape',
    ]);
  });

  it('reads what an index passes on', () => {
    const index = file(
      'src/index.ts',
      "export { a, type B } from './x.ts';\nexport type { C } from './y.ts';",
    );
    expect(passedOn(index)).toEqual([
      { file: 'src/x.ts', name: 'a' },
      { file: 'src/x.ts', name: 'B' },
      { file: 'src/y.ts', name: 'C' },
    ]);
  });
});
