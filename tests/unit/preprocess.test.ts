import { describe, expect, it } from 'vitest';
import type { ParamValue } from '../../src/engine/gpu/condition.ts';
import { preprocess } from '../../src/engine/gpu/preprocess.ts';

type Values = Readonly<Record<string, ParamValue>>;

const source = (params: readonly string[], code: string) => ({ name: 'x', params, code });

/** Whether `#if condition` lets its line through. */
function holds(condition: string, values: Values): boolean {
  const code = `#if ${condition}\nyes\n#endif\n`;
  return preprocess(source(Object.keys(values), code), values).includes('yes');
}

describe('preprocess declares parameters', () => {
  it('writes numbers and booleans as constants, typed strings as aliases, other strings not at all', () => {
    const params = ['WG', 'SCALE', 'MASK', 'STORE type', 'ACTIVATION'];
    const values = { WG: 64, SCALE: 0.5, MASK: false, STORE: 'f16', ACTIVATION: 'silu' };
    expect(preprocess(source(params, 'fn f() {}\n'), values)).toBe(
      'const WG = 64;\nconst SCALE = 0.5;\nconst MASK = false;\nalias STORE = f16;\nfn f() {}\n',
    );
  });

  it('keeps directives first, once each, and drops those in a dead branch', () => {
    const code = [
      '#if HALF',
      'enable f16;',
      '#else',
      'enable subgroups;',
      '#endif',
      'diagnostic(off, derivative_uniformity);',
      'requires unrestricted_pointer_parameters;',
      'enable f16;',
      'fn enabled() {}',
    ].join('\n');
    expect(preprocess(source(['HALF'], code), { HALF: true })).toBe(
      'enable f16;\ndiagnostic(off, derivative_uniformity);\n' +
        'requires unrestricted_pointer_parameters;\nconst HALF = true;\nfn enabled() {}\n',
    );
  });

  it.each<[string, readonly string[], Values]>([
    ['a declared parameter without value', ['A'], {}],
    ['a value without declaration', ['A'], { A: 1, B: 2 }],
    ['a name that every object has', ['A'], { A: 1, constructor: 2 }],
    ['a declared name that every object has', ['toString'], {}],
    ['a number that WGSL cannot write', ['A'], { A: Number.NaN }],
  ])('refuses %s', (_, params, values) => {
    expect(() => preprocess(source(params, ''), values)).toThrow(
      expect.objectContaining({ code: 'shader/param', stage: 'x' }),
    );
  });
});

describe('preprocess chooses branches', () => {
  const code = '#if N == 1\none\n#elif N == 2\ntwo\n#elif N > 0\nmany\n#else\nnone\n#endif\nend\n';

  it.each([
    [1, 'one'],
    [2, 'two'],
    [3, 'many'],
    [0, 'none'],
    [-1, 'none'],
  ])('takes the first branch that holds: N = %i gives %s', (N, word) => {
    expect(preprocess(source(['N'], code), { N })).toBe(`const N = ${N};\n${word}\nend\n`);
  });

  it.each<[boolean, boolean, string]>([
    [true, true, 'ab'],
    [true, false, 'a'],
    [false, true, ''],
    [false, false, ''],
  ])('nests: a dead outer branch kills the inner one (A %s, B %s)', (A, B, want) => {
    const nested = '#if A\na\n#if B\nb\n#endif\n#endif\n';
    const got = preprocess(source(['A', 'B'], nested), { A, B });
    expect(
      got
        .split('\n')
        .filter((line) => line === 'a' || line === 'b')
        .join(''),
    ).toBe(want);
  });

  it('does not evaluate the conditions of dead branches', () => {
    const dead = '#if A\n#if S > 1\nx\n#endif\n#endif\n';
    expect(() => preprocess(source(['A', 'S'], dead), { A: true, S: 'word' })).toThrow('numbers');
    expect(preprocess(source(['A', 'S'], dead), { A: false, S: 'word' })).toBe(
      'const A = false;\n',
    );
  });

  it.each(['#if A\n', '#endif\n', '#else\n', '#if A\n#else\n#else\n#endif\n', '#elif A\n'])(
    'refuses lines that do not balance: %j',
    (unbalanced) => {
      expect(() => preprocess(source(['A'], unbalanced), { A: true })).toThrow(
        expect.objectContaining({ code: 'shader/condition' }),
      );
    },
  );
});

describe('conditions', () => {
  it.each<[string, Values, boolean]>([
    ['A', { A: true }, true],
    ['!A', { A: true }, false],
    ['A', { A: 0 }, false],
    ['!!A', { A: 3 }, true],
    ['A == 64', { A: 64 }, true],
    ['A != 64', { A: 64 }, false],
    ['A >= 8 && A <= 8', { A: 8 }, true],
    ['A < 8 || A > 8', { A: 8 }, false],
    ['A || B && C', { A: true, B: false, C: false }, true],
    ['(A || B) && C', { A: true, B: false, C: false }, false],
    ['!(A && B)', { A: true, B: false }, true],
    ['A == B', { A: 2, B: 2 }, true],
    ['S == f16', { S: 'f16' }, true],
    ['f16 == S', { S: 'f32' }, false],
    ['S == "f 16"', { S: 'f 16' }, true],
    ["S != 'f16'", { S: 'f16' }, false],
    ['A == true', { A: true }, true],
    ['true', {}, true],
  ])('%s with %o is %s', (condition, values, want) => {
    expect(holds(condition, values)).toBe(want);
  });

  it.each<[string, Values, string]>([
    ['', {}, 'ends too early'],
    ['A B', { A: true, B: true }, 'unexpected "B"'],
    ['(A', { A: true }, '")" is missing'],
    ['A &&', { A: true }, 'ends too early'],
    ['A + 1', { A: 1 }, 'cannot read "+ 1"'],
    ['B', { A: 1 }, '"B" is no parameter'],
    ['toString', {}, '"toString" is no parameter'],
    ['!B', { A: 1 }, '"B" is no parameter'],
    ['S', { S: 'f16' }, 'neither true nor false'],
    ['S < 2', { S: 'f16' }, 'needs numbers'],
    ['A == f16', { A: 1 }, 'cannot compare 1 with f16'],
    ['A == true', { A: 1 }, 'cannot compare 1 with true'],
  ])('refuses "%s" with %o', (condition, values, message) => {
    expect(() => holds(condition, values)).toThrow(message);
  });
});

describe('preprocess writes out #unroll', () => {
  it('repeats lines with the running number in place, inner ones for each outer one', () => {
    const code = '#unroll i N\n  a$i;\n#unroll j 2 * N\n  b$i_$j;\n#end\n#end\nlast;\n';
    expect(preprocess(source(['N'], code), { N: 2 })).toBe(
      'const N = 2;\n  a0;\n  b0_0;\n  b0_1;\n  b0_2;\n  b0_3;\n' +
        '  a1;\n  b1_0;\n  b1_1;\n  b1_2;\n  b1_3;\nlast;\n',
    );
  });

  it('takes constants of the code and quotients as counts', () => {
    const code = 'const ROWS = 12u;\n#unroll i ROWS / N * 1\nput($i);\n#end\n';
    expect(preprocess(source(['N'], code), { N: 4 })).toContain('put(0);\nput(1);\nput(2);\n');
    expect(() => preprocess(source(['N'], code), { N: 5 })).toThrow(
      expect.objectContaining({ code: 'shader/unroll' }),
    );
  });

  it.each(['#unroll i\n#end\n', '#unroll i 2\nx;\n', 'x;\n#end\n', '#unroll i WORD\n#end\n'])(
    'refuses %j',
    (code) => {
      expect(() => preprocess(source([], code), {})).toThrow(
        expect.objectContaining({ code: 'shader/unroll' }),
      );
    },
  );
});
