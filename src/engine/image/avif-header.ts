/**
 * Size and orientation of an AVIF picture: boxes of size · type · content (ISO 14496-12, 23008-12). The `meta` box
 * names the primary item (`pitm`), lists properties (`ipco`) and says which item has which (`ipma`): `ispe` is the
 * size, `irot` and `imir` the turn and the mirror to apply when showing it.
 */
import { damaged } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import type { Orientation } from './exif.ts';
import type { StoredSize } from './raster-headers.ts';

type Box = { readonly type: string; readonly start: number; readonly end: number };

/** The boxes between two positions; the outermost must lie within the file. */
function boxes(r: ByteReader, from: number, to: number): Box[] {
  const found: Box[] = [];
  for (let at = from; at + 8 <= to;) {
    const short = r.u32(at);
    const long = short === 1;
    const size = long ? r.u32(at + 8) * 2 ** 32 + r.u32(at + 12) : short === 0 ? to - at : short;
    const start = at + (long ? 16 : 8);
    if (at + size < start) throw damaged('AVIF', `a box of ${size} bytes`);
    r.need(at, size);
    if (at + size > to) throw damaged('AVIF', 'a box larger than the one around it');
    found.push({ type: r.text(at + 4, 4), start, end: at + size });
    at += size;
  }
  return found;
}

function inside(list: readonly Box[], type: string): Box {
  const box = list.find((one) => one.type === type);
  if (!box) throw damaged('AVIF', `no ${type} box`);
  return box;
}

/** Number of the primary item. */
function primaryItem(r: ByteReader, { start }: Box): number {
  return r.u8(start) === 0 ? r.u16(start + 4) : r.u32(start + 4);
}

/** Positions in `ipco`, from 1, of the properties of `item`. */
function propertiesOf(r: ByteReader, { start, end }: Box, item: number): number[] {
  const wideItems = r.u8(start) > 0;
  const wideIndices = (r.u8(start + 3) & 1) === 1;
  const count = r.u32(start + 4);
  let at = start + 8;
  for (let i = 0; i < count && at < end; i++) {
    const id = wideItems ? r.u32(at) : r.u16(at);
    at += wideItems ? 4 : 2;
    const links = r.u8(at++);
    const indices = Array.from({ length: links }, (_, link) =>
      wideIndices ? r.u16(at + 2 * link) & 0x7fff : r.u8(at + link) & 0x7f,
    );
    if (id === item) return indices;
    at += links * (wideIndices ? 2 : 1);
  }
  return [];
}

/** By anticlockwise quarter turns, then by mirror: none, top-bottom, left-right. */
const ORIENTATIONS: readonly (readonly Orientation[])[] = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
];

/** Returns the stored size and the orientation of the primary picture. */
export function avifHeader(r: ByteReader): StoredSize {
  const meta = inside(boxes(r, 0, r.length), 'meta');
  const parts = boxes(r, meta.start + 4, meta.end);
  const item = primaryItem(r, inside(parts, 'pitm'));
  const iprp = inside(parts, 'iprp');
  const lists = boxes(r, iprp.start, iprp.end);
  const ipco = inside(lists, 'ipco');
  const all = boxes(r, ipco.start, ipco.end);
  const own = propertiesOf(r, inside(lists, 'ipma'), item).flatMap((index) => all[index - 1] ?? []);
  const size = inside(own, 'ispe');
  const turn = own.find(({ type }) => type === 'irot');
  const mirror = own.find(({ type }) => type === 'imir');
  const turns = turn ? r.u8(turn.start) & 3 : 0;
  const axis = mirror ? 1 + (r.u8(mirror.start) & 1) : 0;
  return {
    width: r.u32(size.start + 4),
    height: r.u32(size.start + 8),
    orientation: ORIENTATIONS[turns]?.[axis] ?? 1,
  };
}
