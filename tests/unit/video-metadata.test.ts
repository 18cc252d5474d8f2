import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { SOURCE_TYPE, markingTags, markingXmp } from '../../src/engine/video/marking.ts';
import { markedMp4 } from '../../src/engine/video/mp4-writer.ts';
import { boxesAt, mp4Box, mp4Boxes, u32At } from '../../src/engine/video/mp4-boxes.ts';
import {
  appendXmp,
  readMp4Tags,
  setMp4Times,
  writeMp4Tags,
} from '../../src/engine/video/mp4-metadata.ts';
import { chance } from '../helpers/chance.ts';
import { chunkBytes, mp4File } from '../helpers/mp4-file.ts';

const STBL = ['moov', 'trak', 'mdia', 'minf', 'stbl'];
const tags = new Map([
  ['comment', JSON.stringify({ prompt: '海浪 "slow"', seed: 7 })],
  ['tool', 'Zoetrope 1.0'],
  ['AIGC', '{"Label":"1"}'],
]);

/** The first bytes of every chunk, followed from the index as a player does. */
function chunksOf(file: Uint8Array): Uint8Array[] {
  const [offsets] = boxesAt(file, [...STBL, 'stco']);
  const [sizes] = boxesAt(file, [...STBL, 'stsz']);
  const [runs] = boxesAt(file, [...STBL, 'stsc']);
  if (!offsets || !sizes || !runs) throw new Error('no index');
  const perChunk = u32At(file, runs.start + 12); // one run of equal chunks is all these files have
  return Array.from({ length: u32At(file, sizes.start + 8) }, (_, sample) => {
    const chunk = Math.floor(sample / perChunk);
    let at = u32At(file, offsets.start + 8 + 4 * chunk);
    const size = (i: number) => u32At(file, sizes.start + 12 + 4 * i);
    for (let before = chunk * perChunk; before < sample; before++) at += size(before);
    return file.subarray(at, at + size(sample));
  });
}

describe.each([
  ['in front', true],
  ['behind', false],
])('tags of a file with its index %s', (_where, indexFirst) => {
  const plain = mp4File(5, indexFirst);

  it('come back as they were written', () => {
    expect(readMp4Tags(plain).size).toBe(0);
    expect(readMp4Tags(writeMp4Tags(plain, tags))).toEqual(tags);
  });

  it('leave every chunk where the index finds it', () => {
    const chunks = chunksOf(writeMp4Tags(plain, tags));
    expect(chunks).toHaveLength(5);
    chunks.forEach((chunk, i) => expect([...chunk]).toEqual([...chunkBytes(i)]));
  });

  it('are replaced, not added to, and taken out without a trace', () => {
    const again = writeMp4Tags(writeMp4Tags(plain, tags), new Map([['tool', 'other']]));
    expect([...readMp4Tags(again)]).toEqual([['tool', 'other']]);
    expect(boxesAt(again, ['moov', 'udta'])).toHaveLength(1);
    chunksOf(again).forEach((chunk, i) => expect([...chunk]).toEqual([...chunkBytes(i)]));
  });
});

describe('an MP4 file', () => {
  it('carries 64-bit chunk positions along too', () => {
    const file = mp4File(1);
    const [stco] = boxesAt(file, [...STBL, 'stco']);
    const at = u32At(file, (stco?.start ?? 0) + 8);
    const wide = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0);
    new DataView(wide.buffer).setUint32(12, at);
    const nested = STBL.slice(1).reduceRight<Uint8Array>(
      (inner, type) => mp4Box(type, inner),
      mp4Box('co64', wide),
    );
    const moov = mp4Box('moov', nested);
    const moved = writeMp4Tags(moov, tags);
    const [co64] = boxesAt(moved, [...STBL, 'co64']);
    expect(u32At(moved, (co64?.start ?? 0) + 8)).toBe(1);
    expect(u32At(moved, (co64?.start ?? 0) + 12)).toBe(at + moved.length - moov.length);
  });

  it('has no time of day left, and the same bytes each time', () => {
    const times = (file: Uint8Array) =>
      [
        ['moov', 'mvhd'],
        ['moov', 'trak', 'tkhd'],
        ['moov', 'trak', 'mdia', 'mdhd'],
      ]
        .flatMap((path) => boxesAt(file, path))
        .flatMap(({ start }) => [u32At(file, start + 4), u32At(file, start + 8)]);
    const file = mp4File(2);
    expect(times(file).every((time) => time > 0)).toBe(true);
    setMp4Times(file);
    expect(times(file)).toEqual([0, 0, 0, 0, 0, 0]);
    setMp4Times(file, 3_000_000_000);
    expect(times(file)).toEqual(Array.from({ length: 6 }, () => 3_000_000_000));
  });

  it('takes an XMP packet behind everything else', () => {
    const file = appendXmp(mp4File(1), markingXmp({ tool: 'Z' }, '1'));
    const last = mp4Boxes(file).at(-1);
    expect(last?.type).toBe('uuid');
    expect(new TextDecoder().decode(file.subarray(last?.start))).toContain(SOURCE_TYPE);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['text', new TextEncoder().encode('this is no video at all')],
    ['a box larger than the file', Uint8Array.of(0, 0, 1, 0, 0x6d, 0x6f, 0x6f, 0x76)],
    ['a box smaller than its head', Uint8Array.of(0, 0, 0, 4, 0x6d, 0x6f, 0x6f, 0x76)],
    ['media without an index', mp4Box('mdat', new Uint8Array(9))],
  ])('is refused when it is %s', (_what, file) => {
    for (const use of [readMp4Tags, (bytes: Uint8Array) => writeMp4Tags(bytes, tags)]) {
      expect(() => use(file)).toThrow(expect.objectContaining({ code: 'video/damaged' }));
    }
  });

  it('of a stranger gives tags or a typed error, 20,000 mutations', () => {
    const whole = writeMp4Tags(mp4File(2), tags);
    const random = chance(99);
    const outcomes = new Map<string, number>();
    for (let run = 0; run < 20_000; run++) {
      const file = whole.slice(0, random(4) ? whole.length : random(whole.length));
      for (let i = 0; i <= random(3); i++) file[random(file.length)] = random(2) ? random(256) : 0;
      let outcome = 'read';
      try {
        readMp4Tags(file);
      } catch (error) {
        outcome = error instanceof EngineError ? error.code : `untyped: ${String(error)}`;
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(['read', 'video/damaged']);
    for (const count of outcomes.values()) expect(count).toBeGreaterThan(1000);
  });
});

describe('marking', () => {
  const marking = { tool: 'Zoetrope 1.0' };

  it('always says that it is generated, and tells prompt and seed only when asked to', () => {
    const silent = markingTags(marking, 'abc');
    expect([...silent.keys()]).toEqual(['tool', 'AIGC', 'DigitalSourceType']);
    expect(JSON.parse(silent.get('AIGC') ?? '')).toEqual({
      Label: '1',
      ContentProducer: 'Zoetrope 1.0',
      ProduceID: 'abc',
      ReservedCode1: '',
      ContentPropagator: '',
      PropagateID: '',
      ReservedCode2: '',
    });
    expect(markingTags({ ...marking, settings: { seed: 5 } }, 'abc').get('comment')).toBe(
      '{"seed":5}',
    );
  });

  it('is replaced as a whole, and names a file by its pictures alone', async () => {
    const once = await markedMp4(mp4File(3).slice(), { ...marking, settings: { seed: 5 } });
    const again = await markedMp4(once, marking);
    expect([...readMp4Tags(again).keys()]).toEqual(['tool', 'AIGC', 'DigitalSourceType']);
    expect(readMp4Tags(again).get('AIGC')).toBe(readMp4Tags(once).get('AIGC'));
    expect(mp4Boxes(again).filter(({ type }) => type === 'uuid')).toHaveLength(1);
    expect(again).toEqual(await markedMp4(mp4File(3).slice(), marking));
  });
});
