/**
 * Quantised blocks of GGUF files: a fixed number of values packed with their scales. Layouts as in ggml-common.h and
 * ggml-quants.c (dequantize_row_*); every value below is exact in f32 up to the rounding of one or two products.
 */
import { floatBitsOfHalfBits } from './convert.ts';

export type BlockType = 'Q4_0' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K';

type Unpack = (block: Uint8Array, values: Float32Array) => void;

type Layout = { readonly values: number; readonly bytes: number; readonly unpack: Unpack };

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The f16 at `offset`, little-endian. */
function halfAt(block: Uint8Array, offset: number): number {
  bits[0] = floatBitsOfHalfBits(byte(block, offset) | (byte(block, offset + 1) << 8));
  return float[0] ?? 0;
}

const byte = (block: Uint8Array, index: number): number => block[index] ?? 0;
const low = (block: Uint8Array, index: number): number => byte(block, index) & 15;
const high = (block: Uint8Array, index: number): number => byte(block, index) >> 4;
const signed = (value: number): number => (value << 24) >> 24;

/** f16 scale · 16 bytes: value i in the low half of byte i, value 16 + i in the high half, each less 8. */
const unpackQ40: Unpack = (block, values) => {
  const scale = halfAt(block, 0);
  for (let i = 0; i < 16; i++) {
    values[i] = (low(block, 2 + i) - 8) * scale;
    values[16 + i] = (high(block, 2 + i) - 8) * scale;
  }
};

/** f16 scale · 32 signed bytes. */
const unpackQ80: Unpack = (block, values) => {
  const scale = halfAt(block, 0);
  for (let i = 0; i < 32; i++) values[i] = signed(byte(block, 2 + i)) * scale;
};

/** Scale and minimum of part `j` of eight, six bits each, in the twelve bytes at `offset`. */
function scaleAndMinimum(block: Uint8Array, offset: number, j: number): [number, number] {
  const at = (i: number): number => byte(block, offset + i);
  if (j < 4) return [at(j) & 63, at(j + 4) & 63];
  return [(at(j + 4) & 15) | ((at(j - 4) >> 6) << 4), (at(j + 4) >> 4) | ((at(j) >> 6) << 4)];
}

/** f16 scale, f16 minimum · 12 bytes of parts · for Q5_K 32 bytes of fifth bits · 128 bytes: 32 low halves, 32 high. */
const unpackK =
  (fifthBit: boolean): Unpack =>
  (block, values) => {
    const [scale, minimum] = [halfAt(block, 0), halfAt(block, 2)];
    const [fifths, first] = [16, fifthBit ? 48 : 16];
    for (let part = 0; part < 8; part++) {
      const [s, m] = scaleAndMinimum(block, 4, part);
      const [factor, less] = [Math.fround(scale * s), Math.fround(minimum * m)];
      const read = part % 2 === 0 ? low : high;
      for (let i = 0; i < 32; i++) {
        const fifth = fifthBit ? ((byte(block, fifths + i) >> part) & 1) << 4 : 0;
        values[part * 32 + i] = factor * (read(block, first + (part >> 1) * 32 + i) + fifth) - less;
      }
    }
  };

/** 128 bytes of low halves · 64 bytes of upper pairs · 16 signed scales · f16 scale; values less 32. */
const unpackQ6K: Unpack = (block, values) => {
  const scale = halfAt(block, 208);
  for (let half = 0; half < 2; half++) {
    for (let quarter = 0; quarter < 4; quarter++) {
      const read = quarter < 2 ? low : high;
      for (let i = 0; i < 32; i++) {
        const lower = read(block, half * 64 + (quarter % 2) * 32 + i);
        const upper = (byte(block, 128 + half * 32 + i) >> (2 * quarter)) & 3;
        const part = signed(byte(block, 192 + half * 8 + quarter * 2 + (i >> 4)));
        values[half * 128 + quarter * 32 + i] = scale * part * ((lower | (upper << 4)) - 32);
      }
    }
  }
};

const LAYOUTS: Readonly<Record<BlockType, Layout>> = {
  Q4_0: { values: 32, bytes: 18, unpack: unpackQ40 },
  Q8_0: { values: 32, bytes: 34, unpack: unpackQ80 },
  Q4_K: { values: 256, bytes: 144, unpack: unpackK(false) },
  Q5_K: { values: 256, bytes: 176, unpack: unpackK(true) },
  Q6_K: { values: 256, bytes: 210, unpack: unpackQ6K },
};

/** Whether `name` is a block type that this reader knows. */
export const isBlockType = (name: string): name is BlockType => Object.hasOwn(LAYOUTS, name);

/** Values and bytes of one block. */
export const blockSize = (type: BlockType): { readonly values: number; readonly bytes: number } =>
  LAYOUTS[type];

/** Returns the values of `bytes`, a whole number of blocks. */
export function floatsOfBlocks(type: BlockType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const layout = LAYOUTS[type];
  const count = Math.floor(bytes.byteLength / layout.bytes);
  const floats = new Float32Array(count * layout.values);
  for (let i = 0; i < count; i++) {
    layout.unpack(
      bytes.subarray(i * layout.bytes, (i + 1) * layout.bytes),
      floats.subarray(i * layout.values, (i + 1) * layout.values),
    );
  }
  return floats;
}
