import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/engine/models/catalog.ts';
import type { FitRequest, WanChoice } from '../../src/engine/models/wan/fit.ts';
import { bestFit, choicesBelow, fitWan } from '../../src/engine/models/wan/fit.ts';
import { PAPER_CAPS, twoExpertWan } from '../helpers/wan-model.ts';

const GIB = 2 ** 30;
const catalog = parseCatalog(
  JSON.parse(readFileSync(new URL('../../weights/catalog.json', import.meta.url), 'utf8')),
);
const config = (name: string) => catalog.configs[name] ?? {};

const small: FitRequest = {
  parts: twoExpertWan,
  footprint: { guided: true, image: true, steps: 4 },
  precision: 'f16',
  caps: PAPER_CAPS,
};
const asked: WanChoice = {
  ...{ width: 832, height: 480, frames: 81, weights: undefined },
  ...{ tiled: false, stream: false },
};

describe('choices of settings', () => {
  it('begin with what was asked and give up bits, tiles, weights that stay, frames and size in this order', () => {
    const all = [...choicesBelow(asked)];
    expect(all.slice(0, 4)).toEqual([
      asked,
      { ...asked, weights: 'int8' },
      { ...asked, weights: 'int4' },
      { ...asked, tiled: true },
    ]);
    expect(all.slice(6, 9)).toEqual([
      { ...asked, weights: 'int4', stream: true },
      { ...asked, weights: 'int4', stream: true, tiled: true },
      { ...asked, frames: 49 },
    ]);
    expect(all.at(-1)).toEqual({
      ...{ width: 512, height: 288, frames: 25 },
      ...{ weights: 'int4', tiled: true, stream: true },
    });
    expect(new Set(all.map((choice) => JSON.stringify(choice))).size).toBe(all.length);
  });

  it('keep an upright picture upright, and integers that were asked for', () => {
    const all = [...choicesBelow({ ...asked, width: 480, height: 832, weights: 'int4' })];
    expect(all.every(({ width, height }) => height > width)).toBe(true);
    expect(all.every(({ weights }) => weights === 'int4')).toBe(true);
  });

  it('are made of fewer bytes the further down they stand', async () => {
    const peaks: number[] = [];
    for (const choice of [
      asked,
      { ...asked, tiled: true },
      { ...asked, frames: 25, tiled: true },
    ]) {
      peaks.push((await fitWan(small, choice, GIB)).forecast.peakBytes);
    }
    expect(peaks).toEqual([...peaks].sort((a, b) => b - a));
    expect(new Set(peaks).size).toBe(peaks.length);
  });
});

describe('the best fit', () => {
  it('is what was asked where there is room, something smaller where there is little, nothing where there is none', async () => {
    const modest: WanChoice = { ...asked, width: 512, height: 288, frames: 25 };
    const large = await bestFit(small, modest, 64 * GIB);
    expect(large?.choice).toEqual(modest);
    const need = large?.needBytes ?? 0;
    const less = await bestFit(small, modest, need - 1);
    expect(less?.fits).toBe(true);
    expect(less?.choice).not.toEqual(modest);
    expect(less?.needBytes).toBeLessThan(need);
    expect(await bestFit(small, modest, 1.5 * GIB)).toBeUndefined();
  });
});

describe('released models', () => {
  const request = (dit: string, vae: string): FitRequest => ({
    parts: {
      transformer: config(dit),
      vae: config(vae),
      text_encoder: config('umt5-xxl'),
    },
    footprint: { guided: false, image: true, steps: 4 },
    precision: 'f16',
    caps: { ...PAPER_CAPS, software: false, f16: true },
  });

  it('fit: 5B with four bits, 49 frames, in 8 GB; a whole run has the work that was counted by hand', async () => {
    const choice: WanChoice = { ...asked, frames: 49, weights: 'int4' };
    const fit = await fitWan(request('wan-ti2v-5b', 'wan-vae-2.2'), choice, 8 * GIB);
    expect(fit.fits).toBe(true);
    const { stages } = fit.forecast;
    const work = (stage: string) =>
      (stages.find((each) => each.stage === stage)?.flops ?? 0) / 1e12;
    expect(Math.abs(work('denoise') / (4 * 55) - 1)).toBeLessThan(0.05);
    expect(Math.abs(work('decode') / 370 - 1)).toBeLessThan(0.05);
  });

  it('fit: an expert of 14B with four bits in 8 GB, when its weights are streamed', async () => {
    const ask = request('wan-i2v-a14b', 'wan-vae-2.1');
    const choice: WanChoice = { ...asked, frames: 49, weights: 'int4', stream: true };
    const fit = await fitWan(ask, choice, 8 * GIB);
    expect(fit.fits).toBe(true);
    const whole = await fitWan(ask, { ...choice, stream: false }, 8 * GIB);
    expect(whole.fits).toBe(false);
    // The work is the same; only the weights are read again and again.
    expect(fit.forecast.flops).toBe(whole.forecast.flops);
  });

  it('fit: an expert of 14B with four bits, 81 frames, in 12 GB but not in 10', async () => {
    const choice: WanChoice = { ...asked, weights: 'int4' };
    const fit = await fitWan(request('wan-i2v-a14b', 'wan-vae-2.1'), choice, 12 * GIB);
    expect(fit.fits).toBe(true);
    expect(fit.needBytes).toBeGreaterThan(10 * GIB);
  });
});
