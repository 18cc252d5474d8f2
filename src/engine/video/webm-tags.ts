/**
 * Tags of a WebM file (Matroska, RFC 9559): an element behind everything else, which the seek head names. Written into files
 * of webm-muxer, whose seek head names `Info`, an element that needs no finding; that entry is given to the tags.
 */
import { damagedWebm, ebmlElement, ebmlElements, unsigned } from './ebml.ts';
import type { EbmlElement } from './ebml.ts';
import { joined } from './mp4-boxes.ts';
import type { Mp4Tags } from './mp4-metadata.ts';

const SEGMENT = 0x18538067;
const SEEK_HEAD = 0x114d9b74;
const SEEK = 0x4dbb;
const SEEK_ID = 0x53ab;
const SEEK_POSITION = 0x53ac;
const INFO = [0x15, 0x49, 0xa9, 0x66];
const TAGS = 0x1254c367;
const TAG = 0x7373;
const TARGETS = 0x63c0;
const SIMPLE_TAG = 0x67c8;
const TAG_NAME = 0x45a3;
const TAG_STRING = 0x4487;
const CLUSTER = 0x1f43b675;
/** Bytes that webm-muxer takes for the size of the segment, and of a position. */
const SEGMENT_SIZE = 6;
const POSITION_BYTES = 5;
const LARGEST_TAG = 2 ** 20;

/** Names of Matroska's own for the two tags that have one. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['comment', 'COMMENT'],
  ['tool', 'ENCODER'],
]);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function segmentOf(file: Uint8Array): EbmlElement {
  const segment = ebmlElements(file).find(({ id }) => id === SEGMENT);
  if (!segment) throw damagedWebm('no segment');
  return segment;
}

/** Returns the first element of a kind inside another. Throws `video/damaged` when there is none. */
function inside(file: Uint8Array, { start, end }: EbmlElement, wanted: number): EbmlElement {
  const found = ebmlElements(file, start, end).find(({ id }) => id === wanted);
  if (!found) throw damagedWebm(`no element ${wanted.toString(16)}`);
  return found;
}

/** Returns a file of webm-muxer with `tags` behind everything else. Throws `video/damaged` for any other file. */
export function appendWebmTags(file: Uint8Array, tags: Mp4Tags): Uint8Array<ArrayBuffer> {
  const segment = segmentOf(file);
  const seeks = inside(file, segment, SEEK_HEAD);
  const entry = ebmlElements(file, seeks.start, seeks.end)
    .filter(({ id }) => id === SEEK)
    .find((seek) => {
      const { start } = inside(file, seek, SEEK_ID);
      return INFO.every((byte, i) => file[start + i] === byte);
    });
  if (!entry || segment.end !== file.byteLength) throw damagedWebm('a segment of another kind');
  const name = inside(file, entry, SEEK_ID);
  const position = inside(file, entry, SEEK_POSITION);
  if (position.end - position.start !== POSITION_BYTES) throw damagedWebm('a short seek entry');

  const simple = [...tags].map(([tag, value]) =>
    ebmlElement(
      SIMPLE_TAG,
      ebmlElement(TAG_NAME, utf8(NAMES.get(tag) ?? tag)),
      ebmlElement(TAG_STRING, utf8(value)),
    ),
  );
  const written = ebmlElement(TAGS, ebmlElement(TAG, ebmlElement(TARGETS), ...simple));
  const all = joined(file, written);
  all.set(unsigned(TAGS, 4), name.start);
  all.set(unsigned(segment.end - segment.start, POSITION_BYTES), position.start);
  const size = unsigned(all.byteLength - segment.start, SEGMENT_SIZE);
  size[0] = (size[0] ?? 0) | (0x80 >> (SEGMENT_SIZE - 1));
  all.set(size, segment.start - SEGMENT_SIZE);
  return all;
}

/** Returns the tags of a WebM file. Throws `video/damaged` for one that is none; a tag longer than 1 MiB is left out. */
export function readWebmTags(file: Uint8Array): Map<string, string> {
  const { start, end } = segmentOf(file);
  const found = new Map<string, string>();
  for (const tags of ebmlElements(file, start, end)) {
    if (tags.id !== TAGS) continue;
    for (const tag of ebmlElements(file, tags.start, tags.end)) {
      if (tag.id !== TAG) continue;
      for (const simple of ebmlElements(file, tag.start, tag.end)) {
        if (simple.id !== SIMPLE_TAG || simple.end - simple.start > LARGEST_TAG) continue;
        const text = (wanted: number): string => {
          const part = inside(file, simple, wanted);
          return new TextDecoder().decode(file.subarray(part.start, part.end));
        };
        const name = text(TAG_NAME);
        const known = [...NAMES].find(([, own]) => own === name)?.[0];
        found.set(known ?? name, text(TAG_STRING));
      }
    }
  }
  return found;
}

/** Returns the bytes of all clusters: the pictures, whatever the tags say. Throws `video/damaged`. */
export function webmMedia(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const { start, end } = segmentOf(file);
  const clusters = ebmlElements(file, start, end).filter(({ id }) => id === CLUSTER);
  return joined(...clusters.map((cluster) => file.subarray(cluster.start, cluster.end)));
}
