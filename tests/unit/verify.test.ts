import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CaseContext, Checker, Output } from '../../scripts/verify/case.ts';
import { compare } from '../../scripts/verify/compare.ts';
import { findCases, openCase } from '../../scripts/verify/find-cases.ts';
import { parseOptions } from '../../scripts/verify/options.ts';
import { isResult, runCase } from '../../scripts/verify/run-case.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';

const ones = new Float32Array(100).fill(1);
const off = (by: number): Float32Array => ones.map((value) => value + by);

describe('the bars', () => {
  it.each([
    ['network', 'f32', 0.9e-4, true],
    ['network', 'f32', 1.1e-4, false],
    ['network', 'f16', 0.9e-2, true],
    ['network', 'f16', 1.1e-2, false],
    ['trajectory', 'f32', 0.9e-5, true],
    ['trajectory', 'f32', 1.2e-5, false],
    ['frames', 'f32', 0.9e-3, true],
    ['frames', 'f32', 1.1e-3, false],
    ['frames', 'f16', 10 ** (-36 / 20), true],
    ['frames', 'f16', 10 ** (-34 / 20), false],
  ] as const)('%s in %s: an error of %d passes: %s', (measure, precision, error, passed) => {
    expect(compare(off(error), ones, measure, precision)).toMatchObject({ passed });
  });

  it.each([NaN, Infinity])('fail %d, in ours or in the reference', (bad) => {
    const spoilt = ones.map((value, i) => (i === 50 ? bad : value));
    for (const precision of ['f32', 'f16'] as const) {
      for (const measure of ['network', 'trajectory', 'latents', 'frames'] as const) {
        expect(compare(spoilt, ones, measure, precision).passed).toBe(false);
        expect(compare(ones, spoilt, measure, precision).passed).toBe(false);
      }
    }
  });

  it('fail another count of values', () => {
    expect(compare(ones.slice(1), ones, 'network', 'f16')).toMatchObject({
      passed: false,
      text: '99 values for 100',
    });
  });
});

describe('the outcome of a case', () => {
  const io = { 'in.x': ones, 'mid.block0.out': ones, 'out.a': ones, 'variant.out.b': ones };
  const context = {
    precision: 'f32',
    level: 'f32',
    config: {},
    io: {
      names: () => Object.keys(io),
      has: (name: string) => name in io,
      read: async (name: string) => {
        const values = new Map<string, Float32Array>(Object.entries(io)).get(name);
        if (!values) throw new Error(`no ${name}`);
        return { values, shape: [100] };
      },
    },
  } as unknown as CaseContext;
  const output = (name: string, values: Float32Array = ones): Output => ({
    name,
    values,
    measure: 'network',
  });
  const giving = (...outputs: Output[]): Checker => ({
    matches: () => true,
    run: async () => outputs,
  });

  it('passes when every result agrees', async () => {
    const report = await runCase(context, [giving(output('out.a'), output('variant.out.b'))]);
    expect(report).toEqual({ passed: true, text: 'worst 0.0e+0 out.a of 2' });
  });

  it('fails when a result was not computed', async () => {
    const report = await runCase(context, [giving(output('out.a'))]);
    expect(report).toEqual({ passed: false, text: 'not computed: variant.out.b' });
  });

  it('fails with the worst tensor first', async () => {
    const report = await runCase(context, [
      giving(output('out.a', off(2e-4)), output('variant.out.b', off(1))),
    ]);
    expect(report.passed).toBe(false);
    expect(report.text).toMatch(/^worst 1\.0e\+0 variant\.out\.b, 2\.0e-4 out\.a/);
  });

  it.each([
    ['no checker knows it', []],
    [
      'its checker throws',
      [{ matches: () => true, run: () => Promise.reject(new Error('broken')) }],
    ],
    ['its checker computes nothing and there is nothing to compare', [giving()]],
    [
      'its checker names a tensor that is not stored',
      [giving(output('out.a'), output('variant.out.b'), output('out.z'))],
    ],
  ])('fails when %s', async (_, checkers) => {
    expect((await runCase(context, checkers)).passed).toBe(false);
  });

  it.each([
    ['out.sample', true],
    ['b0.out.velocity', true],
    ['mid.block0.out', false],
    ['mid.out.x', false],
    ['in.out.x', false],
    ['unipc.samples', false],
  ])('takes %s for a result: %s', (name, result) => expect(isResult(name)).toBe(result));
});

describe('cases on disk', () => {
  it('are folders with a config and tensors, at any depth', async () => {
    const root = await mkdtemp(join(tmpdir(), 'cases-'));
    const data = Float32Array.of(1, 2);
    const tensors = writeSafetensors([['out.x', { dtype: 'F32', shape: [2], data }]]);
    for (const path of ['a', 'b/c', 'b/half']) {
      await mkdir(join(root, path, 'vae'), { recursive: true });
      await writeFile(join(root, path, 'config.json'), '{"case":"any","n":3}');
      await writeFile(join(root, path, 'vae/model.safetensors'), tensors);
      if (path !== 'b/half') await writeFile(join(root, path, 'io.safetensors'), tensors);
    }
    expect(await findCases([root, join(root, 'b')])).toEqual([join(root, 'a'), join(root, 'b/c')]);
    const opened = await openCase(join(root, 'b/c'));
    expect(opened.config).toEqual({ case: 'any', n: 3 });
    expect(opened.weightFiles).toEqual(['vae/model']);
    expect(await opened.io.read('out.x')).toEqual({ values: Float32Array.of(1, 2), shape: [2] });
    expect((await opened.open('vae/model')).has('out.x')).toBe(true);
    await opened.close();
    await rm(root, { recursive: true });
  });
});

describe('the command line', () => {
  it('has defaults', () => {
    expect(parseOptions(['dir'])).toMatchObject({
      folders: ['dir'],
      only: [],
      except: [],
      precision: 'f32',
      blocks: false,
    });
  });

  it('takes names more than once', () => {
    const args = [
      'a',
      'b',
      '--only',
      'x',
      '--only=y',
      '--except',
      'z',
      '--precision',
      'f16',
      '--adapter',
      'swiftshader',
      '--blocks',
    ];
    const want = {
      folders: ['a', 'b'],
      only: ['x', 'y'],
      except: ['z'],
      precision: 'f16',
      adapter: 'swiftshader',
      blocks: true,
    };
    expect(parseOptions(args)).toMatchObject(want);
  });

  it.each([
    [['dir', '--precision', 'f8'], 'got f8, needs one of f32, f16, int8, int4'],
    [['dir', '--adapter', 'cuda'], 'got cuda, needs one of lavapipe'],
    [['dir', '--policy', 'p.json'], 'got --precision f32, needs int8 or int4'],
    [['dir', '--fast'], 'Unknown option'],
    [[], 'no folder given'],
  ])('refuses %o', (args, why) => {
    expect(() => parseOptions(args)).toThrow(why);
  });
});
