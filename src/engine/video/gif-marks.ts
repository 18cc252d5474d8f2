/**
 * Comments and XMP in GIF files (GIF89a, XMP part 3): blocks of label and sub-blocks, added in front of the trailer and read
 * back with every bound checked.
 */
import { damaged } from './damaged.ts';
import { joined } from './mp4-boxes.ts';

const EXTENSION = 0x21;
const PICTURE = 0x2c;
const TRAILER = 0x3b;
const COMMENT = 0xfe;
const APPLICATION = 0xff;
const XMP_NAME = 'XMP DataXMP';
const LARGEST_COMMENT = 2 ** 20;

const damagedGif = damaged('GIF');

const ascii = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** Sub-blocks of at most 255 bytes, and an empty one. */
function subBlocks(content: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += 255) {
    const piece = content.subarray(at, at + 255);
    parts.push(Uint8Array.of(piece.length), piece);
  }
  return joined(...parts, Uint8Array.of(0));
}

/** XMP stands in the open; the bytes behind it lead a reader of sub-blocks to the end from wherever it lands. */
const xmpBlock = (packet: string): Uint8Array<ArrayBuffer> =>
  joined(
    Uint8Array.of(EXTENSION, APPLICATION, XMP_NAME.length),
    ascii(XMP_NAME),
    new TextEncoder().encode(packet),
    Uint8Array.of(1),
    Uint8Array.from({ length: 256 }, (_, i) => 255 - i),
    Uint8Array.of(0),
  );

/**
 * Returns a GIF file with a comment (ASCII; none when empty) and an XMP packet behind its last picture. Throws `video/damaged`
 * for a file without a trailer.
 */
export function appendGifMarks(
  file: Uint8Array,
  comment: string,
  xmp: string,
): Uint8Array<ArrayBuffer> {
  if (file.at(-1) !== TRAILER) throw damagedGif('no trailer');
  const comments =
    comment === ''
      ? new Uint8Array()
      : joined(Uint8Array.of(EXTENSION, COMMENT), subBlocks(ascii(comment)));
  return joined(file.subarray(0, -1), comments, xmpBlock(xmp), Uint8Array.of(TRAILER));
}

/** What a GIF file says of itself. */
export type GifMarks = { readonly comments: readonly string[]; readonly xmp: string | undefined };

/** Returns comments and XMP of a GIF file. Throws `video/damaged`; a comment longer than 1 MiB is left out. */
export function readGifMarks(file: Uint8Array): GifMarks {
  const byte = (at: number): number => {
    const value = file[at];
    if (value === undefined) throw damagedGif(`an end at byte ${file.byteLength}`);
    return value;
  };
  const tableBytes = (flags: number): number => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const pieces = (start: number): { readonly content: Uint8Array; readonly end: number } => {
    const parts: Uint8Array[] = [];
    let at = start;
    for (; byte(at) !== 0; at += 1 + byte(at)) parts.push(file.subarray(at + 1, at + 1 + byte(at)));
    return { content: joined(...parts), end: at + 1 };
  };
  if (String.fromCharCode(...file.subarray(0, 4)) !== 'GIF8') throw damagedGif('another signature');
  const comments: string[] = [];
  let xmp: string | undefined;
  for (let at = 13 + tableBytes(byte(10)); byte(at) !== TRAILER;) {
    if (byte(at) === PICTURE) {
      at = pieces(at + 11 + tableBytes(byte(at + 9))).end;
      continue;
    }
    if (byte(at) !== EXTENSION) throw damagedGif(`an unknown block at byte ${at}`);
    const { content, end } = pieces(at + 2);
    if (byte(at + 1) === COMMENT && content.length <= LARGEST_COMMENT) {
      comments.push(new TextDecoder('latin1').decode(content));
    }
    if (byte(at + 1) === APPLICATION) xmp ??= xmpOf(file.subarray(at + 3, end));
    at = end;
  }
  return { comments, xmp };
}

/** The packet of an XMP block, read in the open. */
function xmpOf(block: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(block);
  if (!text.startsWith(XMP_NAME)) return undefined;
  const end = /<\?xpacket end="[rw]"\?>/.exec(text);
  return end ? text.slice(XMP_NAME.length, end.index + end[0].length) : undefined;
}
