/** A Wan model in a folder on disk, its weights random and few, from the command line to an MP4. */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtApp } from '../../scripts/lib/build.mjs';
import type { RunReport } from '../../src/engine/index.ts';
import { hubSite } from '../helpers/hub-site.ts';
import { misbehavingServer } from '../helpers/misbehaving-server.ts';
import { firstFrameWan, randomParts } from '../helpers/wan-model.ts';
import { repository } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'zoetrope-wan-'));
const model = join(folder, 'model');
const video = join(folder, 'video.mp4');

let dist: string;

beforeAll(() => {
  dist = builtApp();
  for (const [part, bytes] of randomParts(firstFrameWan)) {
    mkdirSync(join(model, part), { recursive: true });
    writeFileSync(join(model, part, 'config.json'), JSON.stringify(firstFrameWan[part]));
    writeFileSync(join(model, part, 'diffusion_pytorch_model.safetensors'), bytes);
  }
  mkdirSync(join(model, 'tokenizer'));
  copyFileSync(
    join(repository, 'tests/fixtures/tokenizers/umt5.json'),
    join(model, 'tokenizer/tokenizer.json'),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function animate(...args: string[]) {
  const small = ['--size', '96x64', '--frames', '5', '--steps', '2', '--guidance', '1'];
  const command = [join(repository, 'scripts/animate.mjs'), '--dist', dist, '--software'];
  const all = [...command, '-o', video, '--model', model, ...small, ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8' });
}

/** Runs the command without standing in the way of servers in this process. */
function spawned(args: readonly string[]): Promise<{ status: number | null; told: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(repository, 'scripts/animate.mjs'), ...args]);
    let told = '';
    child.stderr.on('data', (text) => (told += text));
    child.on('close', (status) => resolve({ status, told }));
  });
}

function reportOf(...args: string[]): RunReport {
  const path = join(folder, 'report.json');
  const { status, stderr } = animate('--report', path, ...args);
  expect(stderr).not.toContain('animate:');
  expect(status).toBe(0);
  return JSON.parse(readFileSync(path, 'utf8')) as RunReport;
}

describe('npm run animate with the folder of a Wan model', () => {
  it('writes the video, the same for the same seed and prompt', () => {
    const first = reportOf('--prompt', 'A wren sings.');
    expect(first.size).toEqual({ width: 96, height: 64 });
    expect(first.frameHashes).toHaveLength(5);
    expect(new Set(first.frameHashes).size).toBeGreaterThan(1);
    expect(first.model).toMatchObject({ family: 'wan', guidance: 1, shift: 5 });
    expect(first.settings).toMatchObject({ fps: 24, steps: 2 });
    expect(Object.keys(first.timings)).toEqual(['load', 'text', 'picture', 'denoise', 'decode']);
    expect(readFileSync(video).subarray(4, 8).toString('latin1')).toBe('ftyp');
    expect(reportOf('--prompt', 'A wren sings.').frameHashes).toEqual(first.frameHashes);
    expect(reportOf('--prompt', 'A wren sings.', '--seed', '1').frameHashes).not.toEqual(
      first.frameHashes,
    );
    expect(reportOf('--prompt', 'Clouds drift.').frameHashes).not.toEqual(first.frameHashes);
    const small = reportOf('--prompt', 'A wren sings.', '--weights', 'int8');
    expect(small.settings.weights).toBe('int8');
    expect(small.frameHashes).not.toEqual(first.frameHashes);
  });

  it('makes videos that npm run quality compares', () => {
    const other = join(folder, 'other.mp4');
    copyFileSync(video, other);
    expect(animate('--prompt', 'Clouds drift.').status).toBe(0);
    const compared = (a: string, b: string): string => {
      const command = [join(repository, 'scripts/quality.mjs'), '--software', a, b];
      return spawnSync(process.execPath, command, { encoding: 'utf8' }).stdout;
    };
    expect(compared(video, video)).toContain('| 5 | ∞ dB | ∞ dB | 1.0000 | 1.0000 | — |');
    const [, psnr = 'none'] = /\| 5 \| ([\d.]+) dB/.exec(compared(video, other)) ?? [];
    expect(Number(psnr)).toBeLessThan(60);
  });

  it.each([
    ['a frame count that the model cannot make', ['--frames', '6'], 'frame count'],
    ['a size that the model cannot make', ['--size', '100x64'], 'multiples of 32'],
    ['guidance beyond reason', ['--guidance', '200'], '--guidance got "200"'],
  ])('ends with 2 for %s', (_what, args, text) => {
    const { status, stderr } = animate(...args);
    expect(stderr).toContain(text);
    expect(status).toBe(2);
  });

  it('fetches a model of a catalog and runs it as its authors recommend', async () => {
    const files = new Map(
      readdirSync(model, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => [relative(model, path), readFileSync(path)] as const),
    );
    const site = hubSite(new Map([['team/tiny', files]]));
    const server = await misbehavingServer(new Uint8Array(0), site);
    const real = JSON.parse(
      readFileSync(join(repository, 'weights/catalog.json'), 'utf8'),
    ) as Record<string, object[]>;
    const place = (part: string, more: object) => [
      part,
      { repository: 'team/tiny', commit: null, folder: part, aboutBytes: 1, ...more },
    ];
    const parts = Object.fromEntries([
      ...['transformer', 'vae', 'text_encoder'].map((part) =>
        place(part, { stored: null, config: 'any' }),
      ),
      place('tokenizer', { stored: 'json' }),
    ]);
    const entry = { ...(real['models'] ?? [])[0], id: 'tiny', parts };
    Object.assign(entry, {
      recommended: { ...(entry as { recommended?: object }).recommended, shift: 7, fps: 12 },
    });
    const catalog = join(folder, 'catalog.json');
    writeFileSync(
      catalog,
      JSON.stringify({ ...real, configs: { any: {} }, models: [entry], pictures: [] }),
    );
    const report = join(folder, 'fetched.json');
    const options = ['--hub', server.url.replace('/file', ''), '--cache', join(folder, 'cache')];
    const { status, told } = await spawned([
      ...['--dist', dist, '--software', '-o', video, '--model', 'tiny', '--catalog', catalog],
      ...['--report', report, '--size', '96x64', '--frames', '5', '--steps', '1'],
      ...['--guidance', '1', ...options],
    ]);
    await server.close();
    expect(told).toContain('licence: Apache-2.0');
    expect(status).toBe(0);
    const { model: ran, settings } = JSON.parse(readFileSync(report, 'utf8')) as RunReport;
    expect(ran).toMatchObject({ shift: 7 });
    expect(settings.fps).toBe(12);
  });

  it('says what is missing or wrong before any weight is read', () => {
    const weights = join(model, 'vae/diffusion_pytorch_model.safetensors');
    renameSync(weights, `${weights}.away`);
    const missing = animate();
    copyFileSync(join(model, 'text_encoder/diffusion_pytorch_model.safetensors'), weights);
    const wrong = animate();
    renameSync(`${weights}.away`, weights);
    expect(missing.stderr).toContain('vae/ — got no file of weights');
    expect(wrong.stderr).toContain('tensors of the model');
    expect([missing.status, wrong.status]).toEqual([1, 1]);
  });
});
