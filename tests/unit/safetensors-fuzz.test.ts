import process from 'node:process';
import { expect, it } from 'vitest';
import { EngineError } from '../../src/engine/gpu/errors.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { openSafetensors } from '../../src/engine/weights/safetensors.ts';
import { chance } from '../helpers/chance.ts';
import { fileOf } from '../helpers/safetensors-file.ts';

// Blind byte flips die at the first gates, so most inputs are mutated as JSON and written again.

/** `npm run fuzz` asks for a million and more. */
const RUNS = Number(process.env['ZOETROPE_FUZZ'] ?? 100_000);
const SEED = 20_240_607;
/** Small caps, so that going over them stays cheap. */
const LIMITS = { headerBytes: 900, tensors: 5, nameLength: 12, rank: 4 };
const CODES = [
  'truncated',
  'header-too-large',
  'header-start',
  'utf8',
  'json',
  'too-many-tensors',
  'metadata',
  'name',
  'entry',
  'dtype',
  'shape',
  'offsets',
  'overflow',
  'size-mismatch',
  'hole-or-overlap',
  'trailing-bytes',
].map((kind) => `weights/${kind}`);

type Entry = { dtype: unknown; shape: unknown; data_offsets: unknown };

const random = chance(SEED);
const pick = <T>(items: readonly [T, ...T[]]): T => items[random(items.length)] ?? items[0];
const strange = (): unknown =>
  pick<unknown>([null, -1, 0.5, 2 ** 53, 1e308, '', 'F32', [], {}, [[1]], true, 'x'.repeat(40)]);

/** A well-formed header of one to four tensors. */
function wellFormed(): { entries: Record<string, unknown>; dataBytes: number } {
  const entries: Record<string, unknown> = {};
  if (random(3) === 0) entries.__metadata__ = { format: 'pt' };
  let at = 0;
  const count = 1 + random(4);
  for (let i = 0; i < count; i++) {
    const [dtype, size] = pick<[string, number]>([
      ['F32', 4],
      ['BF16', 2],
      ['I8', 1],
      ['F64', 8],
    ]);
    const shape = Array.from({ length: random(4) }, () => random(4));
    const bytes = shape.reduce((a, b) => a * b, size);
    entries[`t${i}`] = { dtype, shape, data_offsets: [at, at + bytes] } satisfies Entry;
    at += bytes;
  }
  return { entries, dataBytes: at };
}

/** Changes one thing in the parsed header; the ways are in no order. */
function mutateEntries(entries: Record<string, unknown>): void {
  const name = `t${random(Object.keys(entries).length)}`;
  const entry = entries[name] as Entry | undefined;
  const set = (field: keyof Entry, value: unknown) => entry && (entry[field] = value);
  const ways: [() => unknown, ...(() => unknown)[]] = [
    () => set('dtype', strange()),
    () => set('shape', strange()),
    () => set('data_offsets', strange()),
    () => set('shape', [random(5), random(5), strange()]),
    () => set('shape', [2 ** 30, 2 ** 30]),
    () => set('shape', [random(9), random(9)]),
    () => set('data_offsets', [random(40), random(40)]),
    () => set('data_offsets', [random(9), random(9), random(9)]),
    () => entry && delete entry[pick(['dtype', 'shape', 'data_offsets'] as const)],
    () => (entries[name] = strange()),
    () => delete entries[name],
    () => (entries.__metadata__ = pick<unknown>([{ a: strange() }, strange()])),
    () => (entries['n'.repeat(random(20))] = entry ?? strange()),
    () => {
      for (let i = 0; i < 3 + random(4); i++) {
        entries[`e${i}`] = { dtype: 'U8', shape: [0], data_offsets: [0, 0] };
      }
    },
  ];
  pick(ways)();
}

/** Changes one thing in the bytes of the file. */
function mutateBytes(file: Uint8Array): Uint8Array {
  const ways: [() => Uint8Array, ...(() => Uint8Array)[]] = [
    () => file.subarray(0, random(file.length + 1)),
    () => Uint8Array.of(...file, ...Array.from({ length: random(9) }, () => random(256))),
    () => file.map((byte, i) => (i === random(file.length) ? random(256) : byte)),
    () => file.map((byte, i) => (i < 8 && random(4) === 0 ? random(256) : byte)),
    () => file.with(8 + random(Math.max(1, file.length - 8)), random(256)),
    () => file.with(8, random(256)),
    () => file.with(random(2), random(256)),
  ];
  return pick(ways)();
}

it(`${RUNS} mutated headers end in a file or in a typed error, and reach every rule`, async () => {
  const hits = new Map<string, number>(['accepted', ...CODES].map((code) => [code, 0]));
  for (let run = 0; run < RUNS; run++) {
    const { entries, dataBytes } = wellFormed();
    const way = random(8);
    if (way > 1) mutateEntries(entries);
    let file = fileOf(entries, dataBytes);
    if (way < 3) file = mutateBytes(file);
    const outcome = await openSafetensors(bytesSource(file), LIMITS).then(
      () => 'accepted',
      (error: unknown) => (error instanceof EngineError ? error.code : `untyped: ${String(error)}`),
    );
    hits.set(outcome, (hits.get(outcome) ?? 0) + 1);
  }
  expect([...hits.keys()]).toEqual(['accepted', ...CODES]); // nothing untyped, nothing unlisted
  const rare = [...hits].filter(([, count]) => count < RUNS / 1000);
  expect(rare).toEqual([]);
});
