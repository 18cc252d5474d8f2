import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperatorResult } from '../../bench/measure-operator.ts';
import { builtBench } from '../../scripts/lib/build.mjs';
import { repository } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'zoetrope-bench-'));
let page: string;

beforeAll(() => {
  page = builtBench();
});

afterAll(() => rmSync(folder, { recursive: true }));

function bench(...args: string[]) {
  const command = [join(repository, 'scripts/bench.mjs'), '--bench', page, '--software', ...args];
  return spawnSync(process.execPath, command, { encoding: 'utf8' });
}

describe('npm run bench', () => {
  it('times an operator beside every peer, all of them right and without a network', () => {
    const file = join(folder, 'operators.json');
    const rest = ['--peers', '--small', '--seconds', '0.05', '--only', 'matmul 64', '--json', file];
    const { status, stderr } = bench(...rest);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { operators } = JSON.parse(readFileSync(file, 'utf8')) as {
      operators: { rows: readonly { results: readonly OperatorResult[] }[] };
    };
    const results = operators.rows.flatMap((row) => row.results);
    expect(results.filter(({ failure }) => failure)).toEqual([]);
    expect(results.map(({ library, type }) => `${library} ${type}`)).toEqual([
      ...['zoetrope f32', 'zoetrope f16'],
      ...['onnxruntime-web f32', 'tfjs f32', 'jax-js f32'],
    ]);
    for (const { time, error } of results) {
      expect(time?.ms).toBeGreaterThan(0);
      expect(error).toBeLessThan(0.01);
    }
  });

  it.each([
    [['--rows', 'colours'], '--rows got "colours"'],
    [['--rows', 'operators', '--only', 'knitting'], 'no row begins with "knitting"'],
    [['--ladder', 'none'], '--ladder got "none", knows wan5b'],
    [['--ladder', 'wan5b', '--size', 'huge'], '--size got "huge"'],
    [['--ladder', 'wan5b', '--steps', '1.5'], '--steps got "1.5"'],
    [['--avatar', '--only', '9x9'], 'no row begins with "9x9": 384x256 int4 int8 3'],
    [['--page', 'nowhere.json'], 'nowhere.json is no report'],
  ])('refuses %j', (args, text) => {
    const { status, stderr } = bench(...args);
    expect(stderr).toContain(text);
    expect(status).toBe(2);
  });
});
