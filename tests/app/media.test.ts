import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readGifMarks } from '../../src/engine/video/gif-marks.ts';
import { SOURCE_TYPE } from '../../src/engine/video/marking.ts';
import { readMp4Tags } from '../../src/engine/video/mp4-metadata.ts';
import { mp4VideoTrack } from '../../src/engine/video/mp4-samples.ts';
import { readPngTexts } from '../../src/engine/video/png-text.ts';
import { readWebmTags } from '../../src/engine/video/webm-tags.ts';
import { movingWebp, pngFile, withOrientation } from '../helpers/picture-files.ts';
import { repository } from './app.ts';
import type { Media } from './media/page.ts';
import { base64, ffprobe, openMedia, probe, quadrants } from './media/session.ts';
import type { Session } from './media/session.ts';

const pictures = join(repository, 'tests/fixtures/pictures');
let session: Session;

beforeAll(async () => {
  session = await openMedia();
}, 120_000);
afterAll(() => session?.close());

const call: Session['call'] = (name, ...args) => session.call(name, ...args);
const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(pictures, name)));
const take = (bytes: Uint8Array) => call('intake', base64(bytes));

const RED = [255, 0, 0];
const GREEN = [0, 255, 0];
const BLUE = [0, 0, 255];
const WHITE = [255, 255, 255];

describe('a picture that is taken', () => {
  /** Corners: top left, top right, bottom left, bottom right. */
  it.each([
    [1, [RED, GREEN, BLUE, WHITE]],
    [2, [GREEN, RED, WHITE, BLUE]],
    [3, [WHITE, BLUE, GREEN, RED]],
    [4, [BLUE, WHITE, RED, GREEN]],
    [5, [RED, BLUE, GREEN, WHITE]],
    [6, [BLUE, RED, WHITE, GREEN]],
    [7, [WHITE, GREEN, BLUE, RED]],
    [8, [GREEN, WHITE, RED, BLUE]],
  ])('stands upright with EXIF orientation %d', async (orientation, corners) => {
    const jpeg = Buffer.from(await session.page.evaluate(quadrants), 'base64');
    const taken = await take(withOrientation(jpeg, orientation));
    const lying = orientation >= 5;
    expect(taken).toMatchObject(lying ? { width: 32, height: 64 } : { width: 64, height: 32 });
    if ('code' in taken) throw new Error(taken.code);
    taken.corners.forEach((colour, i) =>
      colour.forEach((value, c) =>
        expect(Math.abs(value - (corners[i]?.[c] ?? 0))).toBeLessThan(12),
      ),
    );
  });

  it.each([
    ['deep.png', 5, 4, ['small']],
    ['cmyk.jpg', 31, 17, ['small']],
    ['moving.gif', 15, 9, ['moving', 'small']],
    ['plain.avif', 31, 17, ['small']],
    ['plain.bmp', 15, 9, ['small']],
    ['turned.webp', 17, 31, ['small']],
  ])('may be %s', async (name, width, height, warnings) => {
    expect(await take(fixture(name))).toMatchObject({ width, height, warnings });
  });

  it('may be an animated WebP, of which the first frame counts', async () => {
    const file = movingWebp(fixture('lossless.webp'), 31, 17);
    expect(await take(file)).toMatchObject({
      width: 31,
      height: 17,
      warnings: ['moving', 'small'],
    });
  });

  it.each([
    [1, 1, [1, 1]],
    [1, 10_000, [1, 2048]],
    [4096, 16, [2048, 8]],
  ])('may be %d × %d, and is shown no larger than needed', async (width, height, shown) => {
    const taken = await take(pngFile(width, height, () => [1, 0, 0]));
    expect(taken).toMatchObject({ width, height, shown });
    if ('corners' in taken) expect(taken.corners[3]).toEqual(RED);
  });

  it('reaches the engine cropped where the focus is', async () => {
    const file = base64(pngFile(200, 100, (x) => (x < 100 ? [1, 0, 0] : [0, 0, 1])));
    const size = { width: 64, height: 64 };
    const left = await call('decode', file, size, { x: 0, y: 0.5 });
    const right = await call('decode', file, size, { x: 1, y: 0.5 });
    if ('code' in left || 'code' in right) throw new Error('refused');
    expect(left).toMatchObject(size);
    expect(left.mean[0]).toBeGreaterThan(250);
    expect(right.mean[2]).toBeGreaterThan(250);
  });

  it.each([
    [1, 1],
    [1, 10_000],
    [10_000, 1],
    [3000, 40],
  ])('reaches the engine from %d × %d', async (width, height) => {
    const file = base64(pngFile(width, height, () => [0, 1, 0]));
    const size = { width: 96, height: 64 };
    const decoded = await call('decode', file, size, { x: 0.5, y: 0.5 });
    expect(decoded).toMatchObject(size);
    if ('mean' in decoded) expect(decoded.mean).toEqual([0, 255, 0]);
  });
});

describe('a picture that is refused', () => {
  const plain = fixture('plain.png');
  const claiming = (width: number, height: number): Uint8Array => {
    const file = Buffer.from(plain);
    file.writeUInt32BE(width, 16);
    file.writeUInt32BE(height, 20);
    return file;
  };
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  it.each([
    ['a PNG that unpacks to 20,000 × 20,000', 'image/side', claiming(20_000, 20_000)],
    ['a PNG of more than 100 million pixels', 'image/pixels', claiming(16_000, 16_000)],
    ['a picture cut short', 'image/truncated', plain.subarray(0, 100)],
    ['a picture whose pixels are not there', 'image/damaged', claiming(300, 300)],
    ['an SVG that names another file', 'image/svg', text('<svg><image href="http://x/"/></svg>')],
    ['a letter', 'image/unknown', text('Dear all,')],
    ['nothing', 'image/empty', new Uint8Array()],
  ])('is %s: %s', async (_what, code, file) => {
    expect(await take(file)).toEqual({ code });
  });

  it('is one of more than 64 MiB, before it is read', async () => {
    const code = await session.page.evaluate(async () => {
      const { media } = globalThis as unknown as { media: Media };
      const blob = new Blob([new Uint8Array(64 * 2 ** 20 + 1)]);
      return media.intakeBlob(blob);
    });
    expect(code).toEqual({ code: 'image/file-size' });
  });
});

const PATTERN = { width: 64, height: 48, frames: 7, raw: true };

describe('an MP4', () => {
  it('comes back as it went in: frames, times, picture, colours', async () => {
    const { frames, psnr } = await call('roundTrip', { ...PATTERN, frames: 30 });
    expect(frames).toBe(30);
    expect(psnr).toBeGreaterThanOrEqual(35);
    for (const flat of [0, 90, 128, 255]) {
      expect((await call('roundTrip', { ...PATTERN, flat })).worst).toBeLessThanOrEqual(2);
    }
  });

  it('is the stored one with settings, mark and BT.709, the same each time', async () => {
    const file = await exported('mp4', {});
    expect(file).toMatchObject({ type: 'video/mp4', frames: 7, fps: 24 });
    const { samples } = mp4VideoTrack(file.bytes);
    expect(samples).toHaveLength(7);
    const last = samples.at(-1);
    const micros = (last?.timestamp ?? 0) + (last?.duration ?? 0);
    expect(Math.abs(micros - 7e6 / 24)).toBeLessThan(1000);
    expect(colourOf(file.bytes)).toEqual([1, 1, 1, 0]);
    expect(file.told).toEqual({ model: 'motion', settings: SETTINGS });
    expect([...readMp4Tags(file.bytes).keys()]).toContain('AIGC');
    expect((await exported('mp4', {})).content).toBe(file.content);
  });

  it('tells nothing of prompt and seed when it is not to, and keeps the mark', async () => {
    const file = await exported('mp4', { includeSettings: false });
    expect(file.told).toEqual({ code: 'settings/none' });
    expect(Buffer.from(file.bytes).includes('海浪')).toBe(false);
    expect(readMp4Tags(file.bytes).get('DigitalSourceType')).toBe(SOURCE_TYPE);
  });

  it('runs forth and back without doubled ends', async () => {
    const { frames, bytes } = await exported('mp4', { pingPong: true });
    expect(frames).toBe(12);
    expect(mp4VideoTrack(bytes).samples).toHaveLength(12);
  });

  it.runIf(ffprobe)('satisfies ffprobe', async () => {
    const { bytes } = await exported('mp4', {});
    expect(probe('mp4', bytes)).toMatchObject({
      streams: [
        {
          ...{ codec_name: 'h264', width: 64, height: 48, nb_read_frames: '7' },
          ...{ color_space: 'bt709', color_transfer: 'bt709', color_primaries: 'bt709' },
        },
      ],
    });
  });
});

describe('another format', () => {
  it('is WebM, with settings and mark', async () => {
    const file = await exported('webm', {});
    expect(file).toMatchObject({ type: 'video/webm', frames: 7 });
    expect(file.codec).toMatch(/^(vp09|av01)/);
    expect(file.told).toEqual({ model: 'motion', settings: SETTINGS });
    expect(readWebmTags(file.bytes).get('DigitalSourceType')).toBe(SOURCE_TYPE);
    if (ffprobe) {
      const seen = probe('webm', file.bytes);
      expect(seen.streams[0]).toMatchObject({ codec_name: 'vp9', nb_read_frames: '7' });
      expect(Object.keys(seen.format.tags)).toEqual(
        expect.arrayContaining(['COMMENT', 'AIGC', 'DigitalSourceType']),
      );
    }
  });

  it('is GIF, with settings and mark', async () => {
    const file = await exported('gif', { pingPong: true });
    expect(file).toMatchObject({ type: 'image/gif', frames: 12 });
    expect(file.told).toEqual({ model: 'motion', settings: SETTINGS });
    expect(readGifMarks(file.bytes).xmp).toContain(SOURCE_TYPE);
    const seen = await take(file.bytes);
    expect(seen).toMatchObject({
      format: 'gif',
      width: 64,
      height: 48,
      warnings: ['moving', 'small'],
    });
    if (ffprobe) expect(probe('gif', file.bytes).streams[0]?.nb_read_frames).toBe('12');
  });

  it('is PNG in a zip: every frame without loss, each with settings and mark', async () => {
    const file = await exported('png', {});
    expect(file).toMatchObject({ type: 'application/zip', frames: 7 });
    const entries = unzipSync(file.bytes);
    expect(Object.keys(entries)).toEqual(Array.from({ length: 7 }, (_, i) => `frame-${i + 1}.png`));
    const first = entries['frame-1.png'] ?? new Uint8Array();
    expect(readPngTexts(first).get('AIGC')).toContain('"Label":"1"');
    expect(await call('settingsOf', base64(first))).toEqual({
      model: 'motion',
      settings: SETTINGS,
    });
    // The pattern at its top left corner: 128 + 80 · sin(phase) · cos(phase).
    const corner = [0, 1, 2].map((phase) => Math.round(128 + 40 * Math.sin(2 * phase)));
    expect(await take(first)).toMatchObject({ width: 64, height: 48 });
    const taken = await take(first);
    if ('corners' in taken) expect(taken.corners[0]).toEqual(corner);
    expect((await exported('png', {})).content).toBe(file.content);
  });

  it.each(['mp4', 'webm'] as const)('keeps the sound: %s with a visible mark', async (format) => {
    const speaking = { ...PATTERN, frames: 24, sound: true };
    const file = await exported(format, { visibleMark: 'AI' }, speaking);
    const { seconds, power } = await call('heard', file.content);
    expect(Math.abs(seconds - 1)).toBeLessThan(0.1);
    expect(power).toBeGreaterThan(0.3); // of a sine: one half
  });

  it('is made from the video where raw frames are gone', async () => {
    const file = await exported('gif', {}, { ...PATTERN, raw: false });
    expect(file.frames).toBe(7);
  });

  it('says how far it is, and stops when asked to', async () => {
    expect((await exported('gif', {})).shares.at(-1)).toBe(1);
    expect(await call('cancelled', PATTERN)).toBe('AbortError');
  });
});

describe('the visible mark', () => {
  it('stands in the corner of every frame, a twentieth of the shorter side high', async () => {
    const flat = { ...PATTERN, width: 320, height: 240, frames: 2, flat: 200 };
    const file = await exported('png', { visibleMark: 'AI-generated' }, flat);
    for (const picture of Object.values(unzipSync(file.bytes))) {
      const taken = await take(picture);
      if ('code' in taken) throw new Error(taken.code);
      expect(taken.corners[0]).toEqual([200, 200, 200]);
      expect(taken.corners[3]?.[0]).toBeLessThan(120);
    }
    expect((await exported('mp4', { visibleMark: 'AI生成' }, flat)).frames).toBe(2);
  });
});

describe('the history', () => {
  it('keeps videos, newest first, and forgets one or all', async () => {
    const first = await call('add', PATTERN);
    const second = await call('add', { ...PATTERN, frames: 3 });
    if ('code' in first || 'code' in second) throw new Error('not kept');
    expect((await call('list')).map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(await call('openedBytes', first.id)).toBeGreaterThan(500);
    const { folders, quota } = await call('figures');
    expect(quota).toBeGreaterThan(0);
    expect(new Map(folders).get('results')).toBeGreaterThan(1000);
    await call('remove', first.id);
    expect(await call('openedBytes', first.id)).toEqual({ code: 'storage/missing' });
    expect(await call('list')).toHaveLength(1);
  });

  it('says that the space is used up, and keeps nothing half-written', async () => {
    const tools = await session.page.createCDPSession();
    const { origin } = new URL(session.url);
    await tools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 2000 });
    expect(await call('add', { ...PATTERN, frames: 30 })).toEqual({ code: 'storage/quota' });
    await tools.send('Storage.overrideQuotaForOrigin', { origin });
    expect(await call('list')).toHaveLength(1);
  });

  it('keeps the frames of the three newest as they were made', async () => {
    const bytes = 4 * PATTERN.width * PATTERN.height * PATTERN.frames;
    expect(await call('addWithFrames', PATTERN)).toEqual([bytes, 0]);
    for (let more = 0; more < 2; more++) await call('addWithFrames', PATTERN);
    expect(await call('addWithFrames', PATTERN)).toEqual([...[bytes, bytes, bytes], ...[0, 0]]);
    const folders = new Map((await call('figures')).folders);
    expect(folders.get('frames')).toBe(3 * bytes);
  });

  it('is erased with everything else that the site keeps', async () => {
    await session.page.evaluate(async () => {
      localStorage.setItem('theme', 'dark');
      await caches.open('some');
      await new Promise((resolve) => {
        indexedDB.open('timings').addEventListener('success', ({ target }) => {
          (target as IDBOpenDBRequest).result.close();
          resolve(undefined);
        });
      });
    });
    await call('eraseAll');
    const left = await session.page.evaluate(async () => ({
      caches: await caches.keys(),
      databases: await indexedDB.databases(),
      remembered: localStorage.length,
    }));
    expect(left).toEqual({ caches: [], databases: [], remembered: 0 });
    expect((await call('figures')).folders).toEqual([]);
  });
});

describe('the diagnostics', () => {
  it('tell machine, build and failure, and no word of the user', async () => {
    const text = await call('diagnostics', {
      ...{ protection: 'headers', locale: 'en', model: 'motion', preset: 'preview' },
      failure: { code: 'settings/camera', stage: 'prepare', have: 'my secret words', need: 12 },
    });
    expect(text).toContain('program: Zoetrope 1.2.3, sources abc');
    expect(text).toContain('failure: settings/camera 12');
    expect(text).toMatch(/^adapter: .*swiftshader/im);
    expect(text).toMatch(/^features: .*timestamp-query/m);
    expect(text).toMatch(/^limits: .*maxBufferSize \d+/m);
    expect(text).not.toContain('secret');
  });
});

it('complained of nothing', () => {
  expect(session.complaints).toEqual([]);
});

const SETTINGS = { prompt: '海浪 "slow"', seed: 7, motion: 0.5 };

async function exported(
  format: Parameters<Media['exported']>[1],
  options: Parameters<Media['exported']>[2],
  pattern: Parameters<Media['exported']>[0] = PATTERN,
) {
  const file = await call('exported', pattern, format, options);
  if (!('content' in file)) throw new Error(`refused: ${file.code}`);
  return { ...file, bytes: new Uint8Array(Buffer.from(file.content, 'base64')) };
}

/** Primaries, transfer, matrix and range of an MP4's colour box. */
function colourOf(file: Uint8Array): number[] {
  const at = Buffer.from(file).indexOf('colrnclx');
  return [file[at + 9], file[at + 11], file[at + 13], (file[at + 14] ?? 0) >> 7].map(Number);
}
