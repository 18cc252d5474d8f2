/** rearrange: a strided copy, from any order of axes into any other. */
import wgsl from '../../shaders/rearrange.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

/** One factor of an index: how many values it takes and how far each step moves in the padded source. */
export type Digit = { readonly size: number; readonly stride: number };

/** Digits that one call can hold, rows and columns together. */
export const MAX_DIGITS = 8;

const SLOTS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Returns the dims of a call; both lists of digits run from the slowest to the fastest. */
export function rearrangeDims(
  rows: readonly Digit[],
  columns: readonly Digit[],
  offset: number,
): Dims {
  const digits = [...rows, ...columns];
  const product = (list: readonly Digit[]): number => list.reduce((n, { size }) => n * size, 1);
  const slots = SLOTS.flatMap((i): [string, number][] => [
    [`n${i}`, digits[i]?.size ?? 1],
    [`s${i}`, digits[i]?.stride ?? 0],
  ]);
  return {
    ...Object.fromEntries(slots),
    rowDigits: rows.length,
    columnDigits: columns.length,
    rows: product(rows),
    C: product(columns),
    offset,
  };
}

const digitAt = (dims: Dims, i: number): Digit => ({
  size: dims[`n${i}`] ?? 1,
  stride: dims[`s${i}`] ?? 0,
});

/** Whether four neighbours of the output are always one aligned group of the source. */
function movesGroups(dims: Dims): boolean {
  const { rowDigits = 0, columnDigits = 0, offset = 0 } = dims;
  const last = rowDigits + columnDigits - 1;
  const fastest = digitAt(dims, last);
  const others = Array.from({ length: last }, (_, i) => digitAt(dims, i).stride);
  const aligned = [offset, ...others].every((n) => n % 4 === 0);
  return (
    columnDigits > 0 &&
    fastest.stride === 1 &&
    aligned &&
    (fastest.size % 4 === 0 || columnDigits === 1)
  );
}

export const rearrange = defineKernel({
  name: 'rearrange',
  wgsl,
  tensors: { x: input(), y: output() },
  uniforms: {
    ...{ rows: 'u32', C: 'u32', offset: 'u32' },
    ...{ n0: 'u32', n1: 'u32', n2: 'u32', n3: 'u32', n4: 'u32', n5: 'u32', n6: 'u32', n7: 'u32' },
    ...{ s0: 'u32', s1: 'u32', s2: 'u32', s3: 'u32', s4: 'u32', s5: 'u32', s6: 'u32', s7: 'u32' },
  },
  tune: {},
  choose: (dims) => ({
    ROW_DIGITS: dims['rowDigits'] ?? 0,
    COLUMN_DIGITS: dims['columnDigits'] ?? 0,
    VECTOR: movesGroups(dims),
  }),
  grid: ({ rows = 1, C = 1 }) => [Math.ceil((rows * Math.ceil(C / 4)) / 64), 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: rows * C, bytes: 4 * rows * C }),
  shapes: ({ rows = 1, C = 1, xRows = 1, xC = 1 }) => ({ x: [xRows, xC], y: [rows, C] }),
  cpu: rearrangeCpu,
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // a copy: any difference is far above this
  cases: [
    {
      dims: {
        ...rearrangeDims([{ size: 5, stride: 1 }], [{ size: 7, stride: 8 }], 0),
        xRows: 7,
        xC: 5,
      },
      why: 'transpose with padding on both sides',
    },
    {
      dims: {
        ...rearrangeDims(
          [
            { size: 3, stride: 64 },
            { size: 2, stride: 16 },
          ],
          [
            { size: 5, stride: 1 },
            { size: 2, stride: 32 },
            { size: 2, stride: 8 },
          ],
          0,
        ),
        xRows: 24,
        xC: 6,
      },
      why: 'patches: a column made of three digits',
    },
    {
      dims: {
        ...rearrangeDims(
          [
            { size: 4, stride: 16 },
            { size: 9, stride: 0 },
          ],
          [
            { size: 2, stride: 32 },
            { size: 8, stride: 1 },
          ],
          8,
        ),
        xRows: 9,
        xC: 16,
      },
      why: 'whole groups, a repeated digit and an offset',
    },
    {
      dims: {
        ...rearrangeDims(
          [
            { size: 2, stride: 24 },
            { size: 3, stride: 8 },
          ],
          [{ size: 6, stride: 1 }],
          48,
        ),
        xRows: 12,
        xC: 6,
      },
      why: 'rows moved whole, padded',
    },
    {
      dims: {
        ...rearrangeDims(
          [2, 3, 2, 2].map((size, i) => ({ size, stride: [4, 96, 48, 8][i] ?? 0 })),
          [2, 2, 2, 3].map((size, i) => ({ size, stride: [1, 24, 2, 288][i] ?? 0 })),
          0,
        ),
        xRows: 216,
        xC: 4,
      },
      why: 'eight digits',
    },
  ],
  bench: [
    {
      dims: {
        ...rearrangeDims(
          [{ size: 2048, stride: 4 }],
          [
            { size: 512, stride: 8192 },
            { size: 4, stride: 1 },
          ],
          0,
        ),
        xRows: 512,
        xC: 8192,
      },
      why: 'groups of four, transposed',
    },
  ],
});

function rearrangeCpu({ x = new Float32Array() }: Arrays, dims: Dims): Arrays {
  const { rows = 1, C = 1, offset = 0, rowDigits = 0, columnDigits = 0, xC = 1 } = dims;
  const pitch = Math.ceil(xC / 4) * 4;
  const place = (index: number, first: number, count: number): number => {
    let at = 0;
    for (
      let i = first + count - 1, rest = index;
      i >= first;
      rest = Math.floor(rest / digitAt(dims, i).size), i--
    ) {
      at += (rest % digitAt(dims, i).size) * digitAt(dims, i).stride;
    }
    return at;
  };
  const y = Float32Array.from({ length: rows * C }, (_, i) => {
    const at =
      offset + place(Math.floor(i / C), 0, rowDigits) + place(i % C, rowDigits, columnDigits);
    return x[Math.floor(at / pitch) * xC + (at % pitch)]!;
  });
  return { y };
}
