import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArrayBufferTarget, Muxer } from 'webm-muxer';
import { createGifWriter, gifPalette } from '../../src/app/output/gif-writer.ts';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { ebmlElement, ebmlElements } from '../../src/engine/video/ebml.ts';
import { fileComment } from '../../src/engine/video/file-tags.ts';
import { appendGifMarks, readGifMarks } from '../../src/engine/video/gif-marks.ts';
import {
  asciiJson,
  markedPng,
  markingTags,
  markingXmp,
  SOURCE_TYPE,
} from '../../src/engine/video/marking.ts';
import { mp4VideoTrack } from '../../src/engine/video/mp4-samples.ts';
import { markedMp4 } from '../../src/engine/video/mp4-writer.ts';
import { readPngTexts } from '../../src/engine/video/png-text.ts';
import { appendWebmTags, readWebmTags, webmMedia } from '../../src/engine/video/webm-tags.ts';
import { chunkBytes, mp4File } from '../helpers/mp4-file.ts';

const settings = { prompt: '海浪 "slow" 🌊 <&>', seed: 7 };
const marking = { tool: 'Zoetrope 0.1.0', settings };
const picture = new Uint8Array(
  readFileSync(new URL('../fixtures/pictures/plain.png', import.meta.url)),
);

function webmFile(frames: number): Uint8Array<ArrayBuffer> {
  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: 'V_VP9', width: 64, height: 32, frameRate: 24 },
  });
  for (let i = 0; i < frames; i++) {
    muxer.addVideoChunkRaw(chunkBytes(i), i === 0 ? 'key' : 'delta', (i * 1e6) / 24);
  }
  muxer.finalize();
  return new Uint8Array(target.buffer);
}

async function gifFile(): Promise<Uint8Array<ArrayBuffer>> {
  const frame = Uint8ClampedArray.from({ length: 4 * 16 * 8 }, (_, i) => (i * 37) % 256);
  const writer = createGifWriter({ width: 16, height: 8, fps: 24, marking }, gifPalette([frame]));
  for (let i = 0; i < 5; i++) writer.addFrame(frame);
  return writer.finish();
}

const files: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  mp4: await markedMp4(mp4File(3).slice(), marking),
  webm: appendWebmTags(webmFile(3), markingTags(marking, 'abc')),
  gif: await gifFile(),
  png: await markedPng(picture, marking),
};

describe.each(Object.entries(files))('%s', (_format, file) => {
  it('gives its settings back', () => {
    expect(JSON.parse(fileComment(file) ?? '')).toEqual(settings);
  });

  it('of a stranger gives a text, nothing, or a typed error', () => {
    const outcomes = new Map<string, number>();
    const edit = fc.record({
      at: fc.nat(file.length - 1),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0xff)),
    });
    fc.assert(
      fc.property(
        fc.array(edit, { minLength: 1, maxLength: 6 }),
        fc.option(fc.nat(file.length), { freq: 3 }),
        (edits, length) => {
          const copy = file.slice(0, length ?? file.length);
          for (const { at, value } of edits) copy[at] = value;
          let outcome = 'read';
          try {
            const text = fileComment(copy);
            expect(text === undefined || typeof text === 'string').toBe(true);
          } catch (error) {
            if (!(error instanceof EngineError)) throw error;
            outcome = error.code;
          }
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        },
      ),
      { numRuns: 4000, seed: 5 },
    );
    expect([...outcomes.keys()].sort()).toEqual(['read', 'video/damaged', 'video/unknown']);
    for (const count of outcomes.values()) expect(count).toBeGreaterThan(20);
  });
});

describe('tags of WebM', () => {
  const plain = webmFile(4);
  const tags = markingTags(marking, 'abc');

  it('come back, and leave the pictures where they are', () => {
    const tagged = appendWebmTags(plain, tags);
    expect(readWebmTags(tagged)).toEqual(tags);
    expect(readWebmTags(plain).size).toBe(0);
    expect([...webmMedia(tagged)]).toEqual([...webmMedia(plain)]);
  });

  it('are named by the seek head, inside a segment that ends with the file', () => {
    const tagged = appendWebmTags(plain, tags);
    const segment = ebmlElements(tagged)[1];
    expect(segment?.end).toBe(tagged.length);
    const [seekHead] = ebmlElements(tagged, segment?.start, segment?.end);
    const tagsAt = ebmlElements(tagged, segment?.start, segment?.end).at(-1);
    const positions = ebmlElements(tagged, seekHead?.start, seekHead?.end).map(({ start, end }) => {
      const [id, position] = ebmlElements(tagged, start, end);
      const number = (part = id) =>
        tagged.subarray(part?.start, part?.end).reduce((sum, byte) => sum * 256 + byte, 0);
      return [number(id), number(position)];
    });
    expect(positions).toContainEqual([0x1254c367, (tagsAt?.at ?? 0) - (segment?.start ?? 0)]);
  });

  it('are refused to files of another kind', () => {
    const strange = [
      new Uint8Array(0),
      ebmlElement(0x1a45dfa3),
      ebmlElement(0x18538067, ebmlElement(0x1549a966)),
      plain.slice(0, -1),
    ];
    for (const file of strange) {
      expect(() => appendWebmTags(file, tags)).toThrow(
        expect.objectContaining({ code: 'video/damaged' }),
      );
    }
  });
});

describe('the mark of generated content', () => {
  const aigc = /"Label":"1","ContentProducer":"Zoetrope 0.1.0","ProduceID":"[0-9a-f]{16}"/;

  it('stands in GIF files as XMP, with and without settings', async () => {
    const { comments, xmp } = readGifMarks(files['gif'] ?? new Uint8Array());
    expect(comments).toHaveLength(1);
    expect(xmp).toContain(SOURCE_TYPE);
    expect(xmp).toMatch(aigc);
    const silent = readGifMarks(appendGifMarks(files['gif'] ?? new Uint8Array(), '', 'x'));
    expect(silent.comments).toHaveLength(1);
  });

  it('stands in PNG files as texts and as XMP', () => {
    const texts = readPngTexts(files['png'] ?? new Uint8Array());
    expect([...texts.keys()]).toEqual([
      'Software',
      'Comment',
      'AIGC',
      'DigitalSourceType',
      'XML:com.adobe.xmp',
    ]);
    expect(texts.get('AIGC')).toMatch(aigc);
    expect(texts.get('XML:com.adobe.xmp')).toContain(SOURCE_TYPE);
  });

  it('keeps markup in names from breaking the packet', () => {
    const xmp = markingXmp({ tool: '<script>&' }, '1');
    expect(xmp).toContain('&lt;script&gt;&amp;');
    expect(xmp).not.toContain('<script>');
  });

  it('is written in letters that every format knows', () => {
    const json = asciiJson(settings);
    expect(json).toMatch(/^[ -~]+$/);
    expect(JSON.parse(json)).toEqual(settings);
  });
});

describe('a GIF', () => {
  it('lasts as long as its frames, to the hundredth of a second', () => {
    const file = files['gif'] ?? new Uint8Array();
    let hundredths = 0;
    for (let i = 0; i + 5 < file.length; i++) {
      if (file[i] === 0x21 && file[i + 1] === 0xf9 && file[i + 2] === 4) {
        hundredths += (file[i + 4] ?? 0) + 256 * (file[i + 5] ?? 0);
      }
    }
    expect(hundredths).toBe(Math.round((100 * 5) / 24));
  });
});

describe('the frames of an MP4 file', () => {
  it('are found where the index says, at their times', () => {
    for (const file of [mp4File(5), mp4File(5, false)]) {
      const track = mp4VideoTrack(file);
      expect(track).toMatchObject({ codec: 'avc1.64001e', width: 64, height: 32 });
      expect(track.samples).toHaveLength(5);
      track.samples.forEach(({ start, end, timestamp, key }, i) => {
        expect([...file.subarray(start, end)]).toEqual([...chunkBytes(i)]);
        expect(Math.abs(timestamp - (i * 1e6) / 24)).toBeLessThan(100);
        expect(key).toBe(i === 0);
      });
    }
  });

  it('of a stranger are tables that make sense, or a typed error', () => {
    const file = mp4File(3);
    const edit = fc.record({ at: fc.nat(file.length - 1), value: fc.nat(255) });
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const copy = file.slice();
        for (const { at, value } of edits) copy[at] = value;
        try {
          for (const { start, end } of mp4VideoTrack(copy).samples) {
            expect(start <= end && end <= copy.length).toBe(true);
          }
          outcomes.add('read');
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          outcomes.add(error.code);
        }
      }),
      { numRuns: 5000, seed: 9 },
    );
    expect([...outcomes].sort()).toEqual(['read', 'video/damaged']);
  });
});
