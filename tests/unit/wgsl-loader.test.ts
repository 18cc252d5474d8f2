import { resolve } from 'node:path';
import { runnerImport } from 'vite';
import { describe, expect, it } from 'vitest';
import { assemble, stripComments } from '../../wgsl-loader/assemble.ts';
import { wgslLoader } from '../../wgsl-loader/index.ts';

/** Assembles `x.wgsl` from files held in memory. */
function assembled(files: Readonly<Record<string, string>>) {
  return assemble('x.wgsl', (file) => {
    const text = files[file];
    if (text === undefined) throw new Error(`no file ${file}`);
    return text;
  });
}

const one = (code: string) => assembled({ 'x.wgsl': code });

describe('wgsl-loader joins files', () => {
  it('puts each include in place once, nested ones too, and lists the files', () => {
    const source = assembled({
      'x.wgsl': '#include "lib/a.wgsl"\n#include "lib/b.wgsl"\nfn main() {}\n',
      'lib/a.wgsl': '#include "lib/b.wgsl"\nfn a() {}\n',
      'lib/b.wgsl': 'fn b() {}\n',
    });
    expect(source).toEqual({
      name: 'x',
      params: [],
      code: 'fn b() {}\nfn a() {}\nfn main() {}\n',
      files: ['x.wgsl', 'lib/a.wgsl', 'lib/b.wgsl'],
    });
  });

  it('collects parameters from all files, each once, with their kind', () => {
    const source = assembled({
      'x.wgsl': '#include "lib/a.wgsl"\n#param WG\n#param STORE type\n',
      'lib/a.wgsl': '#param WG // threads\n',
    });
    expect(source.params).toEqual(['WG', 'STORE type']);
    expect(source.code).toBe('');
  });

  it('names the chain of a circular include', () => {
    const files = {
      'x.wgsl': '\n#include "lib/a.wgsl"',
      'lib/a.wgsl': '#include "lib/b.wgsl"',
      'lib/b.wgsl': '#include "lib/a.wgsl"',
    };
    expect(() => assembled(files)).toThrow(
      'lib/b.wgsl:1: circular include: x.wgsl -> lib/a.wgsl -> lib/b.wgsl -> lib/a.wgsl',
    );
  });

  it('points at the line of an include that is not there', () => {
    expect(() => one('fn f() {}\n#include "lib/none.wgsl"')).toThrow(
      'x.wgsl:2: cannot read "lib/none.wgsl": no file lib/none.wgsl',
    );
  });
});

describe('wgsl-loader cleans text', () => {
  it('drops line comments, nested block comments and blank lines, and makes line ends LF', () => {
    const code = 'a; // one\r\n\r\n/* two /* three */ four\r\n five */ b;\r\n   \r\nc / d;\r\n';
    expect(one(code).code).toBe('a;\n b;\nc / d;\n');
  });

  it('keeps line numbers for errors while it removes comments', () => {
    expect(() => one('/* 1\n2\n3 */\n#bad')).toThrow('x.wgsl:4: cannot read "#bad"');
  });

  it('leaves a slash, a star and a lone end mark alone', () => {
    expect(stripComments('a / b * c */ d')).toBe('a / b * c */ d');
  });

  it('refuses a block comment that never ends', () => {
    expect(() => one('a; /* b /* c */')).toThrow('a block comment is never closed');
  });
});

describe('wgsl-loader checks conditions', () => {
  it.each([
    ['#if A\n#endif', 'x.wgsl:1: "A" is not declared'],
    ['#param A\n#if A && B\n#endif', 'x.wgsl:2: "B" is not declared'],
    ['#param A\n#if A == f16 || f32\n#endif', '"f32" is not declared'],
    ['#if f16 == f32\n#endif', '"f16" is not declared'],
    ['#param A\n#if A\n', 'x.wgsl:2: #if without #endif'],
    ['#param A\n#endif', 'x.wgsl:2: #endif without #if'],
    ['#else', '#else without #if'],
    ['#param A\n#if A\n#else\n#elif A\n#endif', 'x.wgsl:4: #elif after #else'],
    ['#param A\n#if A\n#else A\n#endif', '#else takes no condition'],
    ['#if\n#endif', 'a condition is missing'],
    ['#param A\n#if A + 1\n#endif', 'cannot read "+ 1"'],
    ['#param A\n#if A\n#param B\n#endif', 'x.wgsl:3: "#param B" stands inside #if'],
    ['#param 1A', 'cannot read "#param 1A"'],
    ['#param A\n#param A type', '#param A is declared as a type and as a value'],
  ])('refuses %j', (code, message) => {
    expect(() => one(code)).toThrow(message);
  });

  it('takes a bare word that is compared with a parameter, on either side', () => {
    const code = '#param A\n#if A == f16 && (f32 != A)\nx\n#elif !(A == "b c")\n#endif\n';
    expect(one(code).code).toBe(code.replace('#param A\n', ''));
  });

  it('sees an #if that opens in an include and never closes', () => {
    const files = {
      'x.wgsl': '#param A\n#include "lib/a.wgsl"\n',
      'lib/a.wgsl': '#if A\n',
    };
    expect(() => assembled(files)).toThrow('lib/a.wgsl:1: #if without #endif');
  });
});

describe('wgsl-loader checks bindings', () => {
  const bind = (n: number): string => `@group(0) @binding(${n}) var<storage> b${n}: array<f32>;`;

  it('refuses one number twice, in either order of the attributes', () => {
    expect(() => one(`${bind(1)}\n@binding( 1 ) @group(0u) var<uniform> p: P;`)).toThrow(
      'x.wgsl:2: @group(0) @binding(1) is taken by x.wgsl:1',
    );
  });

  it('refuses one number inside and outside a condition, and in two conditions', () => {
    expect(() => one(`#param A\n#if A\n${bind(1)}\n#endif\n${bind(1)}`)).toThrow('is taken by');
    const twice = `#if A\n${bind(1)}\n#endif\n`;
    expect(() => one(`#param A\n${twice}${twice}`)).toThrow('is taken by');
  });

  it('allows one number in branches that exclude each other, and in two groups', () => {
    const nested = `#if B\n${bind(2)}\n#else\n${bind(2)}\n#endif`;
    const code = `#param A\n#param B\n#if A\n${bind(1)}\n#elif B\n${bind(1)}\n#else\n${nested}\n#endif\n`;
    expect(one(`${code}@group(1) @binding(1) var<uniform> p: P;`).params).toEqual(['A', 'B']);
  });
});

describe('wgsl-loader in Vite', () => {
  const load = (file: string) =>
    runnerImport<{ default: { name: string; params: string[]; code: string } }>(resolve(file), {
      root: resolve('.'),
      logLevel: 'silent',
      plugins: [wgslLoader({ folder: 'tests/fixtures/shaders' })],
    });

  it('makes a module with name, parameters and code', async () => {
    const { module } = await load('tests/fixtures/shaders/scale.wgsl');
    expect(module.default.name).toBe('scale');
    expect(module.default.params).toEqual(['FACTOR', 'WG']);
    expect(module.default.code).toContain('fn scaled(');
    expect(module.default.code).not.toContain('//');
  });

  it('fails the build with file and line', async () => {
    await expect(load('tests/fixtures/shaders/broken.wgsl')).rejects.toThrow(
      'broken.wgsl:3: "WIDE" is not declared',
    );
  });
});
