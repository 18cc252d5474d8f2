/**
 * The video track of an MP4 file (ISO 14496-12): where each frame lies, when it is shown, and what a decoder needs to know.
 * For files of our own writer and any other with one plain video track.
 */
import { boxesAt, damagedMp4, mp4Boxes, u32At } from './mp4-boxes.ts';
import type { Mp4Box } from './mp4-boxes.ts';

/** An encoded frame, in the order of decoding. Times are microseconds. */
export type Mp4Sample = {
  readonly start: number;
  readonly end: number;
  readonly timestamp: number;
  readonly duration: number;
  readonly key: boolean;
};

export type Mp4VideoTrack = {
  /** WebCodecs string. */
  readonly codec: string;
  /** The decoder's description, where the codec has one. */
  readonly description: Uint8Array | undefined;
  readonly width: number;
  readonly height: number;
  readonly samples: readonly Mp4Sample[];
};

/** More frames than any video here has. */
const MOST_SAMPLES = 100_000;
/** Bytes of a visual sample entry in front of its boxes. */
const ENTRY_BYTES = 78;
const STBL = ['mdia', 'minf', 'stbl'];

const u16At = (bytes: Uint8Array, at: number): number => u32At(bytes, at) >>> 16;
const hex = (value: number): string => value.toString(16).padStart(2, '0');
const two = (value: number): string => String(value).padStart(2, '0');

/** Returns the first video track. Throws `video/damaged` for a file without one or with tables that make no sense. */
export function mp4VideoTrack(file: Uint8Array): Mp4VideoTrack {
  const tracks = boxesAt(file, ['moov', 'trak']);
  const track = tracks.find((trak) =>
    boxesAt(file, ['mdia', 'hdlr'], trak).some(
      ({ start }) => u32At(file, start + 8) === 0x76696465, // "vide"
    ),
  );
  if (!track) throw damagedMp4('no video track');
  const [header] = boxesAt(file, ['mdia', 'mdhd'], track);
  const [description] = boxesAt(file, [...STBL, 'stsd'], track);
  if (!header || !description) throw damagedMp4('a track without header or description');
  const wide = file[header.start] === 1;
  const timescale = u32At(file, header.start + (wide ? 20 : 12));
  if (timescale === 0) throw damagedMp4('no time scale');
  const [entry] = mp4Boxes(file, description.start + 8, description.end);
  if (!entry) throw damagedMp4('no sample entry');
  return {
    ...decoderOf(file, entry),
    width: u16At(file, entry.start + 24),
    height: u16At(file, entry.start + 26),
    samples: samplesOf(file, track, timescale),
  };
}

/** The codec of a sample entry, as WebCodecs spells it. */
function decoderOf(file: Uint8Array, entry: Mp4Box): Pick<Mp4VideoTrack, 'codec' | 'description'> {
  const parts = mp4Boxes(file, entry.start + ENTRY_BYTES, entry.end);
  const part = (type: string): Uint8Array => {
    const box = parts.find((one) => one.type === type);
    if (!box || box.end - box.start < 4) {
      throw damagedMp4(`a sample entry ${entry.type} without ${type}`);
    }
    return file.subarray(box.start, box.end);
  };
  if (entry.type === 'avc1') {
    const config = part('avcC');
    const [, profile = 0, compatible = 0, level = 0] = config;
    return { codec: `avc1.${hex(profile)}${hex(compatible)}${hex(level)}`, description: config };
  }
  if (entry.type === 'vp09') {
    const [, , , , profile = 0, level = 0, depth = 0] = part('vpcC');
    const codec = `vp09.${two(profile)}.${two(level)}.${two(depth >> 4)}`;
    return { codec, description: undefined };
  }
  if (entry.type === 'av01') {
    const [, levels = 0, flags = 0] = part('av1C');
    const depth = flags & 0x40 ? 10 : 8;
    const tier = flags & 0x80 ? 'H' : 'M';
    const codec = `av01.${levels >> 5}.${two(levels & 31)}${tier}.${two(depth)}`;
    return { codec, description: undefined };
  }
  throw damagedMp4(`a codec "${entry.type}"`);
}

function samplesOf(file: Uint8Array, track: Mp4Box, timescale: number): Mp4Sample[] {
  const table = (type: string): Mp4Box | undefined => boxesAt(file, [...STBL, type], track)[0];
  /** Rows of `columns` numbers behind a head of `skip` bytes, at most as many as samples can be. */
  const rows = (box: Mp4Box | undefined, columns: number, skip = 4): number[][] => {
    if (!box) return [];
    const count = u32At(file, box.start + skip);
    if (count > MOST_SAMPLES) throw damagedMp4(`${count} entries in ${box.type}`);
    const first = box.start + skip + 4;
    if (first + 4 * columns * count > box.end) throw damagedMp4(`a short table ${box.type}`);
    return Array.from({ length: count }, (_, row) =>
      Array.from({ length: columns }, (__, i) => u32At(file, first + 4 * (columns * row + i))),
    );
  };
  const sizeBox = table('stsz');
  if (!sizeBox) throw damagedMp4('no sizes');
  const same = u32At(file, sizeBox.start + 4);
  const count = u32At(file, sizeBox.start + 8);
  if (count > MOST_SAMPLES) throw damagedMp4(`${count} samples`);
  const sizes =
    same === 0 ? rows(sizeBox, 1, 8).map(([size = 0]) => size) : Array<number>(count).fill(same);

  const wide = rows(table('co64'), 2).map(([high = 0, low = 0]) => high * 2 ** 32 + low);
  const chunks = [...rows(table('stco'), 1).map(([at = 0]) => at), ...wide];
  const starts = startsOf(sizes, chunks, rows(table('stsc'), 3));
  const durations = expanded(rows(table('stts'), 2), count);
  const offsets = expanded(rows(table('ctts'), 2), count).map((offset) => offset | 0);
  const keyed = table('stss');
  const keys = new Set(rows(keyed, 1).map(([number = 0]) => number));

  let time = 0;
  return sizes.map((size, i) => {
    const start = starts[i] ?? 0;
    if (start + size > file.byteLength) throw damagedMp4(`a frame behind byte ${start}`);
    const microseconds = (ticks: number): number => Math.round((1e6 * ticks) / timescale);
    const shown = time + (offsets[i] ?? 0);
    const lasting = durations[i] ?? 0;
    time += lasting;
    return {
      ...{ start, end: start + size, timestamp: microseconds(shown) },
      duration: microseconds(shown + lasting) - microseconds(shown),
      key: !keyed || keys.has(i + 1),
    };
  });
}

/** Runs of (count, value) as one value a sample. */
function expanded(runs: readonly number[][], samples: number): number[] {
  const values: number[] = [];
  for (const [count = 0, value = 0] of runs) {
    for (let i = 0; i < count && values.length < samples; i++) values.push(value);
  }
  return values;
}

/** Where each sample begins: they follow each other inside chunks, whose lengths stand in runs. */
function startsOf(
  sizes: readonly number[],
  chunks: readonly number[],
  runs: readonly number[][],
): number[] {
  const starts: number[] = [];
  chunks.forEach((chunkAt, chunk) => {
    const run = runs.findLast(([first = 1]) => first <= chunk + 1);
    const inChunk = run?.[1] ?? 0;
    let at = chunkAt;
    for (let i = 0; i < inChunk && starts.length < sizes.length; i++) {
      starts.push(at);
      at += sizes[starts.length - 1] ?? 0;
    }
  });
  if (starts.length < sizes.length) throw damagedMp4('frames without a place');
  return starts;
}
