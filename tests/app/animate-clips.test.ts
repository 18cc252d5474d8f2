/** An I2VGen-XL in a folder on disk, its weights random and few, from the command line to an MP4. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtApp } from '../../scripts/lib/build.mjs';
import type { RunReport } from '../../src/engine/index.ts';
import { tinyI2vgenFolder } from '../helpers/i2vgen-model.ts';
import { repository } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'zoetrope-clips-'));
const model = join(folder, 'model');
const video = join(folder, 'video.mp4');
const last = join(repository, 'examples/wren.jpg');

let dist: string;

beforeAll(() => {
  dist = builtApp();
  const put = (path: string, content: Uint8Array | string): void => {
    mkdirSync(dirname(join(model, path)), { recursive: true });
    writeFileSync(join(model, path), content);
  };
  for (const [path, bytes] of tinyI2vgenFolder()) put(path, bytes);
  // As released: two files in place of a tokenizer.json.
  const fixture = join(repository, 'tests/fixtures/tokenizers/clip.json');
  const { vocab, merges } = (
    JSON.parse(readFileSync(fixture, 'utf8')) as {
      model: { vocab: Record<string, number>; merges: string[][] };
    }
  ).model;
  put('tokenizer/vocab.json', JSON.stringify(vocab));
  put('tokenizer/merges.txt', merges.map((pair) => pair.join(' ')).join('\n'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function animate(...args: string[]) {
  const small = ['--size', '64x64', '--frames', '3', '--steps', '2'];
  const command = [join(repository, 'scripts/animate.mjs'), '--dist', dist, '--software'];
  const all = [...command, '-o', video, '--model', model, ...small, ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8' });
}

describe('npm run animate with the folder of I2VGen-XL', () => {
  it('writes the video', () => {
    const path = join(folder, 'report.json');
    const { status, stderr } = animate(
      '--report',
      path,
      '--prompt',
      'A wren sings.',
      '--rate',
      '4',
    );
    expect(stderr).not.toContain('animate:');
    expect(status).toBe(0);
    const first = JSON.parse(readFileSync(path, 'utf8')) as RunReport;
    expect(first.size).toEqual({ width: 64, height: 64 });
    expect(first.frameHashes).toHaveLength(3);
    expect(first.model).toMatchObject({ family: 'i2vgenxl', stepsDone: 2 });
    expect(first.settings).toMatchObject({ fps: 8, steps: 2, rate: 4 });
    expect(readFileSync(video).subarray(4, 8).toString('latin1')).toBe('ftyp');
  });

  it.each([
    ['a loop, which it cannot make', ['--loop'], 'loop — got a model that makes none'],
    ['noise beyond all of it', ['--eta', '2'], '--eta got "2", takes from 0 to 1'],
    ['a variant that there is not', ['--variant', '2048'], '--variant got "2048"'],
    ['a last picture that is not there', ['--last-image', 'nowhere.png'], 'no file nowhere.png'],
    ['a last picture that it has no use for', ['--last-image', last], 'takes one picture'],
  ])('ends with 2 for %s', (_what, args, text) => {
    const { status, stderr } = animate(...args);
    expect(stderr).toContain(text);
    expect(status).toBe(2);
  });
});
