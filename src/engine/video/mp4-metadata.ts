/**
 * Tags of an MP4 file in the form that players, ffmpeg and exiftool read: `moov/udta/meta/ilst`, one box a tag.
 * The comment and the tool have names of their own (©cmt, ©too), any other tag is a free-form `----` box.
 * Works on whole files in memory; tags read from a file are a stranger's and get the checks that go with it.
 */
import { boxesAt, damagedMp4, joined, mp4Box, mp4Boxes, setU32At, u32At } from './mp4-boxes.ts';
import type { Mp4Box } from './mp4-boxes.ts';
import { EngineError } from '../gpu/errors.ts';

/** Tag names are `comment`, `tool`, or a free-form name of ASCII characters. */
export type Mp4Tags = ReadonlyMap<string, string>;

const NAMED: ReadonlyMap<string, string> = new Map([
  ['comment', '\xa9cmt'],
  ['tool', '\xa9too'],
]);
const FREE_FORM = '----';
const DOMAIN = 'com.apple.iTunes';
const UTF8_TEXT = 1;
/** More than this in one tag is no text of ours. */
const LARGEST_TAG = 2 ** 20;
/** The identity of XMP in a `uuid` box. */
const XMP_ID = Uint8Array.of(
  0xbe,
  0x7a,
  0xcf,
  0xcb,
  0x97,
  0xa9,
  0x42,
  0xe8,
  0x9c,
  0x71,
  0x99,
  0x94,
  0x91,
  0xe3,
  0xaf,
  0xac,
);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const u32 = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, i) => setU32At(bytes, 4 * i, value));
  return bytes;
};

function tagBox(name: string, value: string): Uint8Array {
  const data = mp4Box('data', u32(UTF8_TEXT, 0), utf8(value)); // type, locale, text
  const type = NAMED.get(name);
  if (type) return mp4Box(type, data);
  return mp4Box(
    FREE_FORM,
    mp4Box('mean', u32(0), utf8(DOMAIN)),
    mp4Box('name', u32(0), utf8(name)),
    data,
  );
}

function tagsBox(tags: Mp4Tags): Uint8Array {
  const handler = mp4Box(
    'hdlr',
    u32(0, 0), // version and flags, predefined
    utf8('mdirappl'),
    u32(0, 0),
    Uint8Array.of(0), // no name
  );
  const list = mp4Box('ilst', ...[...tags].map(([name, value]) => tagBox(name, value)));
  return mp4Box('udta', mp4Box('meta', u32(0), handler, list));
}

function movieBox(file: Uint8Array): Mp4Box {
  const [moov] = boxesAt(file, ['moov']);
  if (!moov) throw damagedMp4('no moov box');
  return moov;
}

/** Returns `file` with `tags` in place of whatever user data its movie had. The sound and pictures stay as they are. */
export function writeMp4Tags(file: Uint8Array, tags: Mp4Tags): Uint8Array<ArrayBuffer> {
  const moov = movieBox(file);
  const kept = mp4Boxes(file, moov.start, moov.end)
    .filter(({ type }) => type !== 'udta')
    .map(({ at, end }) => file.subarray(at, end));
  const movie = mp4Box('moov', ...kept, tagsBox(tags));
  moveChunks(movie, moov.end, movie.byteLength - (moov.end - moov.at));
  return joined(file.subarray(0, moov.at), movie, file.subarray(moov.end));
}

/** Adds `distance` to the position of every chunk that lies at or behind `from`. */
function moveChunks(movie: Uint8Array, from: number, distance: number): void {
  const table = ['moov', 'trak', 'mdia', 'minf', 'stbl'];
  for (const { start } of boxesAt(movie, [...table, 'stco'])) {
    const count = u32At(movie, start + 4);
    for (let at = start + 8; at < start + 8 + 4 * count; at += 4) {
      const position = u32At(movie, at);
      if (position < from) continue;
      if (position + distance >= 2 ** 32) {
        throw new EngineError(
          'video/too-large',
          'MP4 file — got 4 GiB, needs less — make a shorter video',
        );
      }
      setU32At(movie, at, position + distance);
    }
  }
  for (const { start } of boxesAt(movie, [...table, 'co64'])) {
    const count = u32At(movie, start + 4);
    for (let at = start + 8; at < start + 8 + 8 * count; at += 8) {
      const position = u32At(movie, at) * 2 ** 32 + u32At(movie, at + 4);
      const moved = position < from ? position : position + distance;
      setU32At(movie, at, Math.floor(moved / 2 ** 32));
      setU32At(movie, at + 4, moved % 2 ** 32);
    }
  }
}

/**
 * Returns the tags of an MP4 file. Throws `video/damaged` for a file that is none; a tag that is no text, or
 * longer than 1 MiB, is left out.
 */
export function readMp4Tags(file: Uint8Array): Map<string, string> {
  const tags = new Map<string, string>();
  for (const meta of boxesAt(file, ['udta', 'meta'], movieBox(file))) {
    const parts = mp4Boxes(file, meta.start + 4, meta.end);
    for (const list of parts.filter(({ type }) => type === 'ilst')) {
      for (const item of mp4Boxes(file, list.start, list.end)) {
        const name = tagName(file, item);
        const value = tagText(file, item);
        if (name !== undefined && value !== undefined) tags.set(name, value);
      }
    }
  }
  return tags;
}

function tagName(file: Uint8Array, item: Mp4Box): string | undefined {
  if (item.type !== FREE_FORM) return [...NAMED].find(([, type]) => type === item.type)?.[0];
  const [name] = boxesAt(file, ['name'], item);
  return name && new TextDecoder().decode(file.subarray(name.start + 4, name.end));
}

function tagText(file: Uint8Array, item: Mp4Box): string | undefined {
  const [data] = boxesAt(file, ['data'], item);
  if (!data || data.end - data.start < 8 || data.end - data.start > LARGEST_TAG) return undefined;
  if (u32At(file, data.start) !== UTF8_TEXT) return undefined;
  return new TextDecoder().decode(file.subarray(data.start + 8, data.end));
}

/** Sets every creation and modification time in `file` to `seconds` since 1904-01-01; 0 means "not told". */
export function setMp4Times(file: Uint8Array, seconds = 0): void {
  const places = [
    ['moov', 'mvhd'],
    ['moov', 'trak', 'tkhd'],
    ['moov', 'trak', 'mdia', 'mdhd'],
  ];
  for (const { start } of places.flatMap((path) => boxesAt(file, path))) {
    const wide = file[start] === 1;
    const words = wide ? [0, seconds, 0, seconds] : [seconds, seconds];
    words.forEach((word, i) => setU32At(file, start + 4 + 4 * i, word));
  }
}

/** Returns a copy of `file` without the XMP packets that stand behind everything else. */
export function withoutXmp(file: Uint8Array): Uint8Array<ArrayBuffer> {
  let end = file.byteLength;
  for (const { type, at, start } of mp4Boxes(file).reverse()) {
    if (type !== 'uuid' || !XMP_ID.every((byte, i) => file[start + i] === byte)) break;
    end = at;
  }
  return file.slice(0, end);
}

/** Returns `file` with an XMP packet behind everything else. */
export const appendXmp = (file: Uint8Array, packet: string): Uint8Array<ArrayBuffer> =>
  joined(file, mp4Box('uuid', XMP_ID, utf8(packet)));
