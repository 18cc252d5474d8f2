/** Texts in PNG files (ISO 15948): `tEXt` chunks of keyword and ASCII, and XMP in an `iTXt` chunk. */
import { damaged } from './damaged.ts';
import { joined, setU32At, u32At } from './mp4-boxes.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const HEADER_END = 33;
const XMP_KEYWORD = 'XML:com.adobe.xmp';
const LARGEST_TEXT = 2 ** 20;

const damagedPng = damaged('PNG');

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const latin1 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function chunk(type: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = joined(latin1(type), content);
  const numbers = new Uint8Array(8);
  setU32At(numbers, 0, content.byteLength);
  setU32At(numbers, 4, crc32(body));
  return joined(numbers.subarray(0, 4), body, numbers.subarray(4));
}

function checkPng(file: Uint8Array): void {
  if (!SIGNATURE.every((byte, i) => file[i] === byte)) throw damagedPng('another signature');
  if (file.byteLength < HEADER_END) throw damagedPng(`${file.byteLength} bytes`);
}

/** Returns a PNG file with texts (ASCII) by keyword and an XMP packet in front of its pixels. Throws `video/damaged`. */
export function withPngTexts(
  file: Uint8Array,
  texts: ReadonlyMap<string, string>,
  xmp: string,
): Uint8Array<ArrayBuffer> {
  checkPng(file);
  const written = [...texts].map(([keyword, text]) => chunk('tEXt', latin1(`${keyword}\0${text}`)));
  // Not compressed, no language, no translated keyword.
  const packet = joined(latin1(`${XMP_KEYWORD}\0\0\0\0\0`), new TextEncoder().encode(xmp));
  return joined(
    file.subarray(0, HEADER_END),
    ...written,
    chunk('iTXt', packet),
    file.subarray(HEADER_END),
  );
}

/** Returns the texts of a PNG file by keyword, XMP among them. Throws `video/damaged`; a text beyond 1 MiB is left out. */
export function readPngTexts(file: Uint8Array): Map<string, string> {
  checkPng(file);
  const found = new Map<string, string>();
  for (let at = 8; ;) {
    if (at + 12 > file.byteLength) throw damagedPng('no end');
    const length = u32At(file, at);
    const type = new TextDecoder('latin1').decode(file.subarray(at + 4, at + 8));
    const end = at + 12 + length;
    if (end > file.byteLength) throw damagedPng(`a chunk of ${length} bytes at ${at}`);
    if (type === 'IEND') return found;
    const content = file.subarray(at + 8, end - 4);
    const split = content.indexOf(0);
    if ((type === 'tEXt' || type === 'iTXt') && split > 0 && length <= LARGEST_TEXT) {
      const keyword = new TextDecoder('latin1').decode(content.subarray(0, split));
      const text =
        type === 'tEXt' ? content.subarray(split + 1) : internationalText(content, split);
      if (text)
        found.set(keyword, new TextDecoder(type === 'tEXt' ? 'latin1' : 'utf-8').decode(text));
    }
    at = end;
  }
}

/** The text of an `iTXt` chunk, undefined for a compressed or broken one. */
function internationalText(content: Uint8Array, split: number): Uint8Array | undefined {
  if (content[split + 1] !== 0) return undefined;
  const language = content.indexOf(0, split + 3);
  const translated = language < 0 ? -1 : content.indexOf(0, language + 1);
  return translated < 0 ? undefined : content.subarray(translated + 1);
}
