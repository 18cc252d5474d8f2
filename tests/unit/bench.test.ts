import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkResult, elementAt } from '../../bench/contender.ts';
import { valueAt } from '../../bench/fill.ts';
import { climb, relativeError } from '../../bench/ladder/ladder.ts';
import { denoisingRungs, plainSwitches } from '../../bench/ladder/rungs.ts';
import type { BenchDevice } from '../../bench/page.ts';
import { permuted } from '../../bench/operators/operator.ts';
import { onnxModel } from '../../bench/peers/onnx-model.ts';
import { floatsToHalves, halvesToFloats } from '../../src/engine/weights/convert.ts';
import { avatarPart } from '../../scripts/bench/avatar-page.mjs';
import { barChart } from '../../scripts/bench/chart.mjs';
import { gains } from '../../scripts/bench/ladder.mjs';
import { writePage } from '../../scripts/bench/page.mjs';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ascii = (text: string): string => Buffer.from(text).toString('hex');

describe('ONNX models', () => {
  it('follow the field numbers and wire types of onnx.proto', () => {
    const model = onnxModel({
      type: 'f16',
      inputs: [{ name: 'x', shape: [2, 300] }],
      outputs: [{ name: 'y', shape: [2] }],
      nodes: [{ op: 'Op', inputs: ['x'], outputs: ['y'], attributes: { axis: -1 } }],
    });
    // Node: input, output, op_type, attribute {name, i, type INT}, domain.
    const attribute = `0a04${ascii('axis')}18ffffffffffffffffff01a00102`;
    const node = `0a01${ascii('x')}1201${ascii('y')}2202${ascii('Op')}2a14${attribute}3a00`;
    // Value: name, type {tensor {elem_type FLOAT16, shape {dim {value}}}}.
    const x = `0a01${ascii('x')}120f0a0d080a12090a0208020a0308ac02`;
    const y = `0a01${ascii('y')}120a0a08080a12040a020802`;
    const graph = `0a22${node}1205${ascii('bench')}5a14${x}620f${y}`;
    const opsets = `42040a00101442110a0d${ascii('com.microsoft')}1001`;
    expect(hex(model)).toBe(`08093a52${graph}${opsets}`);
  });

  it('hold constants as raw little-endian bytes', () => {
    const bytes = new Uint8Array(new Float32Array([1, 2]).buffer);
    const model = onnxModel({
      ...{ type: 'f32', inputs: [], outputs: [], nodes: [] },
      constants: [{ name: 'w', shape: [2], type: 'f32', bytes }],
    });
    expect(hex(model)).toContain(`2a11080210014201${ascii('w')}4a080000803f00000040`);
  });
});

describe('values of operands', () => {
  it('are held exactly by f16, spread over their range, and differ by seed', () => {
    const values = Float32Array.from({ length: 4096 }, (_, i) => valueAt({ seed: 3, scale: 4 }, i));
    expect(halvesToFloats(floatsToHalves(values))).toEqual(values);
    expect(Math.min(...values)).toBeLessThan(-3.9);
    expect(Math.max(...values)).toBeGreaterThan(3.9);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.15);
    const other = values.map((_, i) => valueAt({ seed: 4, scale: 4 }, i));
    expect(other.filter((v, i) => v === values[i]).length).toBeLessThan(20);
  });

  it('are found in other orders of memory', () => {
    const layout = permuted([2, 3, 5], [2, 0, 1]); // memory [5, 2, 3]
    expect(layout.shape).toEqual([5, 2, 3]);
    expect(elementAt([1, 2, 4], [2, 3, 5], layout)).toBe(4 * 6 + 1 * 3 + 2);
  });
});

describe('the check before a race', () => {
  const reference = { places: [[0], [1]], values: [3, 4] };

  it('gives the worst error as a share of the root mean square', () => {
    expect(checkResult([3, 4.05], reference, 0.05)).toBeCloseTo(0.05 / Math.sqrt(12.5), 12);
  });

  it('refuses wrong values, missing ones and those that are no numbers, by their place', () => {
    expect(() => checkResult([3, 5], reference, 0.05)).toThrow('at [1] got 5, want 4');
    expect(() => checkResult([3], reference, 0.05)).toThrow('at [1] got undefined');
    expect(() => checkResult([NaN, 4], reference, 0.05)).toThrow('at [0] got NaN');
  });
});

describe('a ladder', () => {
  it('keeps the levers of earlier rungs, but not of those measured aside', () => {
    const rungs = denoisingRungs(8, 0.1);
    const switches = climb(plainSwitches(8), rungs);
    const at = (name: string) => switches[rungs.findIndex((rung) => rung.name === name)];
    expect(switches[0]).toEqual(plainSwitches(8));
    expect(at('int4 weights')).toMatchObject({ weights: 'i4', fusion: true, precision: 'f16' });
    expect(at('int8 weights')).toMatchObject({ weights: 'i8', fusion: true, steps: 8 });
    expect(at('products of 8-bit integers')).toMatchObject({ weights: 'w8a8', fusion: true });
    expect(at('velocity used again')).toMatchObject({ steps: 8, reuseWithin: 0.1 });
  });

  it('compares a rung of more steps with the first one step for step', () => {
    const first = {
      ...{ seconds: 6, peakBytes: 4, weightBytes: 1, dispatches: 7, computed: 2 },
    };
    const gain = (seconds: number, computed: number) =>
      gains({ ...first, seconds, computed }, first).speedUp;
    expect(gain(3, 2)).toBeCloseTo(2, 12);
    expect(gain(14, 28)).toBeCloseTo(6, 12);
    expect(gain(3, 1)).toBeCloseTo(2, 12); // a step left out is what was gained
  });

  it('measures errors against the root mean square of the first rung', () => {
    expect(relativeError(Float32Array.of(3, 4.5), Float32Array.of(3, 4))).toBeCloseTo(0.1, 12);
    expect(relativeError(Float32Array.of(1), Float32Array.of(1, 2))).toBeNaN();
  });
});

describe('plots and page', () => {
  it('has one table of the avatar from several reports, in order, of each row the last figures', () => {
    const device = { vendor: 'acme', architecture: '', device: '', description: '' };
    const row = (weights: 'int4' | 'f16', steps: number, secondsPerBlock?: number) => ({
      ...{ name: `${weights} ${steps}`, size: [688, 368] as const, weights, steps, tiny: false },
      kv: 'float' as const,
      ...(secondsPerBlock === undefined
        ? { failure: 'lost' }
        : {
            result: {
              ...{ size: [640, 384] as const, secondsPerBlock, startSeconds: 9, peakBytes: 2e10 },
              ...{ framesPerSecond: 12 / secondsPerBlock, before: {}, wholePeakBytes: 2e10 },
              ...{ videoCodec: 'avc1', soundCodec: 'opus' },
              stages: { sound: 5, denoise: 700, decode: 150, encode: 14 },
            },
          }),
    });
    const report = (...rows: ReturnType<typeof row>[]) => ({
      about: 'Here',
      avatar: {
        ...{ browser: 'B/1', failures: 0, rows },
        device: { ...device, software: false, capabilities: {} as BenchDevice['capabilities'] },
      },
    });
    const [, about, table = ''] = avatarPart([
      report(row('f16', 4, 3), row('int4', 5)),
      report(row('int4', 4, 4), row('int4', 3, 2)),
      report(row('f16', 4, 2.5)),
    ]);
    expect(about).toContain('Here, and likewise');
    expect(table.split('\n').slice(2)).toEqual([
      '| 640×384 | int4, f16 | 3 | 2.00 | 6.00 | 20.0 | 5.00 | 700 | 150 | 14.0 | 9.00 |',
      '| 640×384 | int4, f16 | 4 | 4.00 | 3.00 | 20.0 | 5.00 | 700 | 150 | 14.0 | 9.00 |',
      '| 640×384 | f16, f16 | 4 | 2.50 | 4.80 | 20.0 | 5.00 | 700 | 150 | 14.0 | 9.00 |',
    ]);
    expect(avatarPart([report(row('int4', 5))])).toEqual([]);
  });

  it('draws bars as long as their share of the largest', () => {
    const bar = (value: number) => ({ series: 's', value, text: `${value} <` });
    const svg = barChart('T & t', [{ label: 'a', bars: [bar(2), bar(1)] }], { scale: 'all' });
    const [long = 0, short = 0] = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(
      ([, width]) => Number(width),
    );
    expect(long / short).toBeCloseTo(2, 2);
    expect(svg).toContain('T &amp; t');
    expect(svg).toContain('2 &lt;');
  });

  it('says which rung won what, from a report alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zoetrope-bench-'));
    try {
      const result = (seconds: number, peakBytes: number) => ({
        ...{ seconds, peakBytes, weightBytes: 1, dispatches: 7, computed: 8, error: 0 },
      });
      const device = { vendor: 'acme', architecture: '', device: '', description: '' };
      const ladder = {
        ...{ model: 'm', size: 'full', about: 'About.', browser: 'B/1', failures: 0 },
        device: { ...device, software: false, capabilities: {} },
        rows: [
          { name: 'plain', aside: false, switches: {}, result: result(8, 4e9) },
          { name: 'fast', aside: true, switches: {}, result: result(2, 1e9) },
        ],
      };
      const stages = { text: 0, picture: 200, encode: 80, prepare: 900, step: 800, decode: 2000 };
      const clip = (name: string) => ({
        ...{ name, variant: '1024', precision: 'f16', weights: 'as computed', tiny: false },
        result: { stages, steps: 5, clipSeconds: 43.18, firstSeconds: 9.9, peakBytes: 6e9 },
      });
      const clips = (name: string) => ({
        ...{ clipSteps: 50, browser: 'B/1', failures: 0, rows: [clip(name)] },
        device: { ...device, software: false, capabilities: {} },
      });
      const file = join(folder, 'report.json');
      const others = ['f16', 'f32'].map((name) => {
        const path = join(folder, `${name}.json`);
        const run = { date: '2026-01-02T', arguments: ['--clips', '--only', name] };
        writeFileSync(path, JSON.stringify({ ...run, clips: clips(name) }));
        return path;
      });
      const words = ['--ladder', 'm', '--json', 'x.json'];
      writeFileSync(file, JSON.stringify({ date: '2026-01-02T', arguments: words, ladder }));
      writePage(folder, [file, ...others]);
      const page = readFileSync(join(folder, 'performance.md'), 'utf8');
      expect(page).toContain('| (fast) | 2.00 | 4.00× | 1.00 | 4.00× | 8 | 7 | 0.0e+0 |');
      expect(page).toContain('`npm run bench -- --ladder m`');
      expect(page).toContain('`npm run bench -- --clips --only f32`');
      expect(page).toContain(
        '| f16 | 0.00 | 0.200 | 0.0800 | 0.900 | 0.800 | 2.00 | 5 | 43.2 | 9.90 | 6.00 |',
      );
      expect(page.match(/^## DynamiCrafter$/gm)).toHaveLength(1);
      expect(readFileSync(join(folder, 'media/m-memory.svg'), 'utf8')).toContain('4.00 GB');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
