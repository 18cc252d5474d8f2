/** decode-weights: values as files store them as f32 or f16, in the order in which kernels read them. */
import wgsl from '../../shaders/decode-weights.wgsl';
import { blockSize, floatsOfBlocks, isBlockType } from '../weights/block-types.ts';
import type { BlockType } from '../weights/block-types.ts';
import type { Arrays, Case, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';
import { seeded } from './case.ts';

/** Types that the kernel decodes: one value after the other, each in as many whole bytes, or in blocks. */
export type DecodedType = 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2' | 'I8' | BlockType;

/** Bits of the exponent and of the fraction of a float. */
const FLOATS: Readonly<Record<string, readonly [exponent: number, fraction: number]>> = {
  F32: [8, 23],
  F16: [5, 10],
  BF16: [8, 7],
  F8_E4M3: [4, 3],
  F8_E5M2: [5, 2],
};

function bytesPerValue(stored: string): number {
  if (isBlockType(stored)) return blockSize(stored).bytes / blockSize(stored).values;
  return stored === 'F32' ? 4 : stored.endsWith('16') ? 2 : 1;
}

/** Words without infinities, of 24 bits, as many as an f32 holds; so are those of blocks, whose scales are f16. */
const MASKS: Readonly<Record<string, number>> = {
  F32: 0xbfffff00,
  F16: 0xbfffbf00,
  BF16: 0xbfffbf00,
  F8_E4M3: 0xf7f7f700,
  F8_E5M2: 0xbfbfbf00,
  I8: 0xffffff00,
};

const decodeCase = (STORED: DecodedType, dims: Dims, why: string, scaled = false): Case => ({
  dims: { first: 0, ...dims, bytes: bytesPerValue(STORED) },
  values: { STORED },
  why: `${STORED}, ${why}`,
  ...(!scaled && { absent: ['factor'] }),
  fill: (name, i) => {
    const value = seeded(name, i);
    return name === 'x' ? ((2 ** 31 * (value + 1)) & (MASKS[STORED] ?? 0xbfffbf00)) >>> 0 : value;
  },
});

export const decodeWeights = defineKernel({
  name: 'decode-weights',
  wgsl,
  tensors: { x: input('u32'), factor: optional(input('f32')), y: output() },
  uniforms: { outs: 'u32', C: 'u32', taps: 'u32', first: 'u32' },
  tune: {},
  derive: ({ STORED }) => ({ BLOCKS: isBlockType(String(STORED)) }),
  grid: ({ outs = 1, C = 1, taps = 1 }) => [Math.ceil((outs * taps * Math.ceil(C / 4)) / 64), 1, 1],
  cost: ({ outs = 1, C = 1, taps = 1, bytes = 2 }) => ({
    flops: 8 * outs * C * taps,
    bytes: (bytes + 4) * outs * C * taps,
  }),
  shapes: ({ outs = 1, C = 1, taps = 1, bytes = 2 }) => ({
    x: [Math.ceil((outs * C * taps * bytes) / 4)],
    factor: [outs],
    y: [outs * taps, C],
  }),
  cpu: decodeCpu,
  tolerance: { f32: { abs: 1e-40, rel: 0 }, f16: { abs: 2 ** -25, rel: 2 ** -11 } },
  cases: [
    decodeCase('BF16', { outs: 19, C: 64, taps: 1 }, 'rows of whole groups'),
    decodeCase('BF16', { outs: 7, C: 13, taps: 1 }, 'rows that begin inside a word'),
    decodeCase('F16', { outs: 5, C: 6, taps: 9 }, 'a convolution'),
    decodeCase('F32', { outs: 3, C: 5, taps: 27 }, 'a convolution over time'),
    decodeCase('F8_E4M3', { outs: 9, C: 11, taps: 1 }, 'a factor for each row', true),
    decodeCase('F8_E5M2', { outs: 9, C: 12, taps: 1 }, 'whole words'),
    decodeCase('Q8_0', { outs: 3, C: 96, taps: 1 }, 'blocks that begin inside a word'),
    decodeCase('Q4_0', { outs: 5, C: 64, taps: 1 }, 'blocks'),
    decodeCase('Q4_K', { outs: 3, C: 512, taps: 1 }, 'blocks of parts'),
    decodeCase('Q5_K', { outs: 2, C: 256, taps: 1 }, 'blocks of parts and fifth bits'),
    decodeCase('Q6_K', { outs: 3, C: 512, taps: 1 }, 'blocks of pairs'),
    decodeCase('I8', { outs: 4, C: 3, taps: 8 }, 'a factor for each convolution', true),
  ],
  bench: [decodeCase('BF16', { outs: 2048, C: 4096, taps: 1 }, '2048 × 4096')],
});

/** Value e of x, whose numbers are words. */
function storedValue(x: Float32Array, e: number, stored: string): number {
  const perWord = 4 / bytesPerValue(stored);
  const bits = 32 / perWord;
  const held = Math.floor(x[Math.floor(e / perWord)]! / 2 ** (bits * (e % perWord))) % 2 ** bits;
  const [exponentBits, fractionBits] = FLOATS[stored] ?? [0, 0];
  if (exponentBits === 0) return held < 128 ? held : held - 256;
  const sign = held >= 2 ** (bits - 1) ? -1 : 1;
  const exponent = Math.floor(held / 2 ** fractionBits) % 2 ** exponentBits;
  const fraction = (held % 2 ** fractionBits) / 2 ** fractionBits;
  const least = 2 - 2 ** (exponentBits - 1);
  return exponent === 0
    ? sign * fraction * 2 ** least
    : sign * (1 + fraction) * 2 ** (exponent - 1 + least);
}

function decodeCpu({ x = new Float32Array(), factor }: Arrays, dims: Dims, values: Values): Arrays {
  const { outs = 0, C = 0, taps = 0 } = dims;
  const stored = String(values['STORED']);
  const blocks = isBlockType(stored)
    ? floatsOfBlocks(stored, new Uint8Array(Uint32Array.from(x).buffer))
    : undefined;
  const y = new Float32Array(outs * taps * C);
  for (let o = 0; o < outs; o++) {
    for (let t = 0; t < taps; t++) {
      for (let c = 0; c < C; c++) {
        const e = (o * C + c) * taps + t;
        const value = blocks ? blocks[e]! : storedValue(x, e, stored);
        y[(o * taps + t) * C + c] = value * (factor ? factor[o]! : 1);
      }
    }
  }
  return { y };
}
