import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtApp } from '../../scripts/lib/build.mjs';
import { findProgram } from '../../scripts/lib/find.mjs';
import type { RunReport } from '../../src/engine/index.ts';
import { TINY_MODEL, repository } from './app.ts';

const COMMAND = join(repository, 'scripts/animate.mjs');
const PICTURES = join(repository, 'tests/fixtures/pictures');
const folder = mkdtempSync(join(tmpdir(), 'zoetrope-animate-'));
const video = join(folder, 'video.mp4');
const ffprobe = findProgram('ffprobe');

let dist: string;

beforeAll(() => {
  dist = builtApp();
});

afterAll(() => rmSync(folder, { recursive: true }));

function animate(...args: string[]) {
  const all = [COMMAND, '--dist', dist, '--software', '-o', video, ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8' });
}

const SMALL = ['--model', TINY_MODEL, '--size', '96x64', '--frames', '4', '--steps', '1'];

function hashesOf(name: string, ...args: string[]): readonly string[] {
  const report = join(folder, `${name}.json`);
  const { status, stderr } = animate(...SMALL, '--report', report, ...args);
  expect(stderr).not.toContain('animate:');
  expect(status).toBe(0);
  return (JSON.parse(readFileSync(report, 'utf8')) as RunReport).frameHashes;
}

/** A PNG header that claims a size, and nothing behind it. */
function pngOf(name: string, width: number, height: number): string {
  const bytes = readFileSync(join(PICTURES, 'plain.png'));
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function textFile(): string {
  const path = join(folder, 'letter.jpg');
  writeFileSync(path, 'Dear picture,');
  return path;
}

describe('bad input', () => {
  it.each([
    ['an unknown option', () => ['--colour', 'red'], 'unknown option --colour'],
    ['a missing file', () => [join(folder, 'none.jpg')], 'no file'],
    ['a folder', () => [folder], 'is not a file'],
    ['two pictures', () => ['a.png', 'b.png'], 'one at a time'],
    ['a file that is no picture', () => [textFile(), ...SMALL], 'no picture'],
    ['a picture of no width', () => [pngOf('empty.png', 0, 8), ...SMALL], '0 × 8'],
    ['a picture 20,000 pixels wide', () => [pngOf('wide.png', 20_000, 8), ...SMALL], '20000 × 8'],
    ['a size of zero', () => ['--size', '0x0'], '--size got "0x0"'],
    ['too much motion', () => ['--motion', '2'], '--motion got "2"'],
    ['half a frame', () => ['--frames', '2.5'], '--frames got "2.5"'],
    ['an unknown camera word', () => [...SMALL, '--camera', 'somersault'], '"somersault"'],
    ['an unknown model', () => ['--model', 'none'], 'model — got "none"'],
    ['a folder to write to that is not there', () => ['-o', '/none/x.mp4'], 'no folder'],
  ])('%s is told in one line', (_, args, message) => {
    const { status, stdout, stderr } = animate(...args());
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(status).toBe(2);
    expect(readdirSync(folder).filter((file) => file.includes('mp4'))).toEqual([]);
  });
});

describe('animate', () => {
  it('writes an MP4 file and a report', () => {
    const report = join(folder, 'report.json');
    const picture = join(PICTURES, 'turned.jpg');
    const { status, stdout, stderr } = animate(picture, ...SMALL, '--report', report);
    expect(stderr).toContain('the processor (software adapter)');
    expect(stdout).toContain('96x64, 4 frames at 24 fps');
    expect(status).toBe(0);
    const facts = JSON.parse(readFileSync(report, 'utf8')) as RunReport;
    expect(facts).toMatchObject({ size: { width: 96, height: 64 }, adapter: { software: true } });
    expect(facts.frameHashes).toHaveLength(4);
    expect(facts.dispatches).toBeGreaterThan(10);
    expect(facts.peakGpuBytes).toBeGreaterThan(96 * 64 * 4);
    expect(Object.keys(facts.timings)).toEqual(['load', 'prepare', 'encode', 'denoise', 'render']);
  });

  it.skipIf(!ffprobe)('makes a file that ffprobe reads', () => {
    const args = ['-v', 'error', '-count_frames', '-show_streams', '-show_format', '-of', 'json'];
    const { stdout } = spawnSync(ffprobe ?? '', [...args, video], { encoding: 'utf8' });
    const { streams, format } = JSON.parse(stdout);
    expect(streams).toHaveLength(1);
    expect(streams[0]).toMatchObject({ width: 96, height: 64, nb_read_frames: '4' });
    expect(['h264', 'vp9', 'av1']).toContain(streams[0].codec_name);
    expect(Number(format.duration)).toBeCloseTo(4 / 24, 2);
    expect(JSON.parse(format.tags.comment)).toMatchObject({ frames: 4, seed: 0 });
  });

  it('gives the same frames for the same seed and others for another', () => {
    const first = hashesOf('first', '--seed', '5');
    expect(hashesOf('again', '--seed', '5')).toEqual(first);
    const other = hashesOf('other', '--seed', '6');
    expect(other[0]).toBe(first[0]); // the picture itself
    expect(other.slice(1)).not.toEqual(first.slice(1));
  });

  it('stops at Ctrl-C and leaves nothing behind', async () => {
    rmSync(video, { force: true });
    const args = [
      '--dist',
      dist,
      '--software',
      '-o',
      video,
      '--model',
      TINY_MODEL,
      '--frames',
      '241',
    ];
    const child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await new Promise((resolve) => child.stderr.once('data', resolve));
    child.kill('SIGINT');
    const status = await new Promise((resolve) => child.once('exit', resolve));
    expect(status).toBe(130);
    expect(existsSync(video)).toBe(false);
    expect(readdirSync(folder).filter((file) => file.endsWith('.part'))).toEqual([]);
  });
});
