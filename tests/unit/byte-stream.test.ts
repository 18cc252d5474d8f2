/** Ranges of files as one stream: what is asked for together, how far ahead, and that bytes are those of their range. */
import { describe, expect, it } from 'vitest';
import { ByteStream, rangesOf, readAhead } from '../../src/engine/weights/byte-stream.ts';
import type { ByteRange } from '../../src/engine/weights/byte-stream.ts';

const MIB = 2 ** 20;

/** A file whose bytes tell their place, and what was asked of it. */
function file(answer: Promise<unknown> = Promise.resolve()) {
  const asked: string[] = [];
  const source = {
    async read(start: number, end: number): Promise<Uint8Array> {
      asked.push(`${start}-${end}`);
      await answer;
      return Uint8Array.from({ length: end - start }, (_, i) => (start + i) % 251);
    },
  };
  const range = (start: number, end: number): ByteRange => ({ source, start, end });
  return { source, asked, range };
}

describe('a stream of ranges', () => {
  it('asks for neighbours together and gives each its own bytes', async () => {
    const { asked, range } = file();
    const ranges = [range(0, 10), range(10, 30), range(286, 290), range(20, 35), range(35, 36)];
    const stream = new ByteStream(ranges);
    for (const { start, end } of ranges) {
      const want = Array.from({ length: end - start }, (_, i) => (start + i) % 251);
      expect([...(await stream.next())]).toEqual(want);
    }
    expect(asked).toEqual(['0-290', '20-36']);
  });

  it('asks apart for what lies far apart, in another file, or would be too much at once', async () => {
    const [one, other] = [file(), file()];
    const stream = new ByteStream([
      one.range(0, 10),
      one.range(267, 270),
      other.range(270, 280),
      one.range(200_000, 200_000 + 8 * MIB),
      one.range(200_000 + 8 * MIB, 200_001 + 8 * MIB),
    ]);
    for (let i = 0; i < 5; i++) await stream.next();
    const large = 200_000 + 8 * MIB;
    expect(one.asked).toEqual(['0-10', '267-270', `200000-${large}`, `${large}-${large + 1}`]);
    expect(other.asked).toEqual(['270-280']);
  });

  it('asks for nothing before the first is wanted, then for 24 MiB ahead, or for one that is larger', async () => {
    const { source, asked, range } = file(new Promise(() => undefined));
    const stream = new ByteStream(rangesOf(source, 0, 80 * MIB));
    expect(asked).toHaveLength(0);
    void stream.next();
    expect(asked).toHaveLength(4); // one that is wanted, three ahead
    void stream.next();
    expect(asked).toHaveLength(5);
    const large = file(new Promise(() => undefined));
    void new ByteStream([large.range(0, 64 * MIB), range(0, 1)]).next();
    expect(large.asked).toHaveLength(1);
  });

  it('fails where its source fails, and not before', async () => {
    const { range } = file();
    const broken = { read: () => Promise.reject(new Error('torn')) };
    const stream = new ByteStream([range(0, 4), { source: broken, start: 0, end: 4 }]);
    expect(await stream.next()).toHaveLength(4);
    await expect(stream.next()).rejects.toThrow('torn');
    await expect(stream.next()).rejects.toThrow('at its end');
  });

  it('lends the same memory again and again, never what is still looked at, and only to who uses it', async () => {
    const lent: (ArrayBuffer | undefined)[] = [];
    const source = {
      async read(start: number, end: number, memory?: ArrayBuffer): Promise<Uint8Array> {
        lent.push(memory);
        await Promise.resolve();
        return new Uint8Array(memory ?? new ArrayBuffer(8 * MIB), 0, end - start).fill(start / MIB);
      },
    };
    const ranges = rangesOf(source, 0, 128 * MIB);
    const stream = new ByteStream(ranges);
    for (let i = 0; i < ranges.length; i++) {
      const bytes = await stream.next();
      await new Promise((resolve) => setTimeout(resolve)); // others are read meanwhile
      expect([bytes[0], bytes.at(-1)]).toEqual([8 * i, 8 * i]);
    }
    expect(lent).toHaveLength(16);
    expect(new Set(lent).size).toBe(4);
    const own = {
      async read(start: number, end: number, memory?: ArrayBuffer): Promise<Uint8Array> {
        lent.push(memory);
        return new Uint8Array(end - start);
      },
    };
    lent.length = 0;
    for await (const _ of readAhead(own, 0, 128 * MIB));
    expect(lent.filter((memory) => memory !== undefined)).toHaveLength(4);
  });

  it('gives one range in pieces', async () => {
    const lengths: number[] = [];
    for await (const piece of readAhead(file().source, 3, 28, 10)) lengths.push(piece.length);
    expect(lengths).toEqual([10, 10, 5]);
  });
});
