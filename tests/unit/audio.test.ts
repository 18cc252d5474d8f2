import { describe, expect, it } from 'vitest';
import { resampleSound } from '../../src/engine/audio/resample.ts';
import { checkSound, mono } from '../../src/engine/audio/sound.ts';
import { readWav } from '../../src/engine/audio/wav.ts';
import { wavFile } from '../helpers/wav-file.ts';

const tone = (count: number, rate: number, hertz: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 0.7 * Math.sin((2 * Math.PI * hertz * i) / rate));

const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'nothing thrown';
};

describe('a WAV file', () => {
  const left = tone(50, 8000, 440);
  const right = tone(50, 8000, 220);

  it.each([
    ['1/8', 1 / 100],
    ['1/16', 1 / 20_000],
    ['1/24', 1e-6],
    ['1/32', 1e-7],
    ['3/32', 1e-7],
    ['3/64', 1e-7],
  ] as const)('of encoding %s is read in both channels', (encoding, tolerance) => {
    const { channels, sampleRate } = readWav(wavFile([left, right], 8000, encoding));
    expect(sampleRate).toBe(8000);
    expect(channels).toHaveLength(2);
    [left, right].forEach((want, c) => {
      const worst = Math.max(...want.map((x, i) => Math.abs(x - (channels[c]?.[i] ?? NaN))));
      expect(worst).toBeLessThan(tolerance);
    });
  });

  it('is read past chunks of odd length, in the extensible spelling too', () => {
    const file = wavFile([left], 16_000, '1/16', { extensible: true, before: 3 });
    expect(readWav(file).channels[0]).toHaveLength(50);
  });

  it('that was cut, is empty or is something else is refused by name', () => {
    const file = wavFile([left], 16_000, '1/16');
    expect(codeOf(() => readWav(file.subarray(0, file.length - 2)))).toBe('audio/truncated');
    expect(codeOf(() => readWav(file.subarray(0, 30)))).toBe('audio/truncated');
    expect(codeOf(() => readWav(file.subarray(0, 40)))).toBe('audio/truncated');
    expect(codeOf(() => readWav(wavFile([new Float32Array()], 16_000, '1/16')))).toBe(
      'audio/empty',
    );
    expect(codeOf(() => readWav(new Uint8Array([0x49, 0x44, 0x33, 4])))).toBe('audio/format');
    expect(codeOf(() => readWav(wavFile([left], 16_000, '1/16', { tag: 85 })))).toBe(
      'audio/format',
    );
  });

  it('never crashes otherwise, whatever its bytes are', () => {
    const file = wavFile([left, right], 16_000, '3/32');
    for (let i = 0; i < 4000; i++) {
      const spoilt = file.slice(0, 12 + ((i * 7919) % file.length));
      spoilt[(i * 104729) % spoilt.length] = (i * 31) % 256;
      const code = codeOf(() => readWav(spoilt));
      expect(code === 'nothing thrown' || String(code).startsWith('audio/')).toBe(true);
    }
  });
});

describe('a sound', () => {
  it('keeps its tones at another rate, and loses those that do not fit', () => {
    for (const [from, to] of [
      [44_100, 16_000],
      [48_000, 16_000],
      [8000, 16_000],
      [22_050, 48_000],
    ] as const) {
      const got = resampleSound(tone(from / 10, from, 1000), from, to);
      expect(got).toHaveLength(to / 10);
      const want = tone(to / 10, to, 1000);
      const inner = Array.from({ length: to / 20 }, (_, i) => i + to / 40);
      const worst = Math.max(...inner.map((i) => Math.abs((got[i] ?? NaN) - (want[i] ?? NaN))));
      expect(worst, `${from} -> ${to}`).toBeLessThan(2e-4);
    }
    const gone = resampleSound(tone(4800, 48_000, 11_000), 48_000, 16_000);
    expect(Math.max(...gone.subarray(400, 1200).map(Math.abs))).toBeLessThan(2e-4);
  });

  it('is mixed to one channel as the mean, and refused when it makes no sense', () => {
    const channels = [Float32Array.of(1, 0), Float32Array.of(0, -1)];
    expect([...mono({ channels, sampleRate: 8000 })]).toEqual([0.5, -0.5]);
    expect(codeOf(() => checkSound({ channels: [], sampleRate: 8000 }))).toBe('audio/empty');
    expect(codeOf(() => checkSound({ channels, sampleRate: 0 }))).toBe('audio/rate');
    const broken = [Float32Array.of(NaN)];
    expect(codeOf(() => checkSound({ channels: broken, sampleRate: 8000 }))).toBe('audio/values');
  });
});
