import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtApp } from '../../scripts/lib/build.mjs';
import { findProgram } from '../../scripts/lib/find.mjs';
import { avatarFiles } from '../helpers/avatar-model.ts';
import { newbieFiles } from '../helpers/newbie-model.ts';
import { wavFile } from '../helpers/wav-file.ts';
import { repository } from './app.ts';

const COMMAND = join(repository, 'scripts/animate.mjs');
const PICTURE = join(repository, 'tests/fixtures/pictures/plain.png');
const folder = mkdtempSync(join(tmpdir(), 'zoetrope-speech-'));
const model = join(folder, 'model');
const video = join(folder, 'video.mp4');
const speech = join(folder, 'speech.wav');
const ffprobe = findProgram('ffprobe');

let dist: string;

beforeAll(() => {
  dist = builtApp();
  for (const [path, bytes] of avatarFiles()) {
    mkdirSync(dirname(join(model, path)), { recursive: true });
    writeFileSync(join(model, path), bytes);
  }
  const tone = Float32Array.from({ length: 16_500 }, (_, i) => Math.sin(i / 9) * Math.sin(i / 900));
  writeFileSync(speech, wavFile([tone], 22_050, '1/16'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function animate(...args: string[]) {
  const all = [COMMAND, '--dist', dist, '--software', '-o', video, ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8' });
}

describe('npm run animate with a sound', () => {
  it('writes a video of a picture that speaks, with its sound in step', () => {
    const report = join(folder, 'report.json');
    const { status, stdout, stderr } = animate(
      ...[PICTURE, '--model', model, '--audio', speech, '--size', '64x64', '--sample_steps', '3'],
      ...['--infer_frames', '12', '--precision', 'f32', '--report', report],
    );
    expect(stderr).not.toContain('animate:');
    expect(status).toBe(0);
    expect(stdout).toContain('64x64, 12 frames at 16 fps');
    const facts = JSON.parse(readFileSync(report, 'utf8')) as Record<string, unknown>;
    expect(facts['soundCodec']).toMatch(/^(aac|opus)$/);
    if (ffprobe === undefined) return;
    const args = ['-v', 'error', '-show_entries', 'stream=codec_type,duration', '-of', 'csv=p=0'];
    const lines = spawnSync(ffprobe, [...args, video], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
    const streams = lines.map((line) => line.split(','));
    expect(streams.map(([kind]) => kind)).toEqual(['video', 'audio']);
    for (const [, seconds] of streams)
      expect(Math.abs(Number(seconds) - 0.75)).toBeLessThan(1 / 16);
  });

  it('writes a picture where the model is one that paints', () => {
    const painter = join(folder, 'painter');
    for (const [path, bytes] of newbieFiles()) {
      mkdirSync(dirname(join(painter, path)), { recursive: true });
      writeFileSync(join(painter, path), bytes);
    }
    const { status, stdout, stderr } = animate(
      ...['--model', painter, '--prompt', 'red bird', '--size', '64x64', '--steps', '1'],
      ...['--precision', 'f32'],
    );
    expect(stderr).not.toContain('animate:');
    expect(status).toBe(0);
    expect(stdout).toMatch(/video\.png: 64x64, 1 frames/);
    const png = readFileSync(join(folder, 'video.png'));
    expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
    expect(png.readUInt32BE(16)).toBe(64);
  });

  it.each([
    ['no model that speaks', ['--audio', speech], 'needs --model DIR'],
    ['an empty sound', ['--audio', join(folder, 'empty.wav'), '--model', model], 'is empty'],
    ['options without their sound', ['--sample_steps', '4'], 'needs --audio'],
    ['two steps', ['--audio', speech, '--model', model, '--sample_steps', '2'], '3 to 6'],
    ['what is no sound', ['--audio', COMMAND, '--model', model], 'cannot decode'],
  ])('refuses %s', (_, args, complaint) => {
    writeFileSync(join(folder, 'empty.wav'), '');
    const { status, stderr } = animate(PICTURE, ...args);
    expect(stderr).toContain(complaint);
    expect(status).toBe(2);
  });
});
