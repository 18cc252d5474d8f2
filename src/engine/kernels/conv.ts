/** conv: 2-D and causal 3-D convolution with history, nearest doubling, bias, activation and residual sum. */
import wgsl from '../../shaders/conv.wgsl';
import type { Activation } from './activation.ts';
import { activate } from './activation.ts';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

/** Pixels and output channels that one workgroup makes; the same table stands in the shader. */
const TILES = {
  square: [64, 64],
  large: [128, 128],
  narrow: [128, 16],
  thin: [256, 4],
} as const;

type Tile = keyof typeof TILES;

/** Work from which the largest tile still fills a device: 512 of its tiles. */
const LARGE_OUTPUTS = 512 * 128 * 128;

function tileFor({ To = 1, Ho = 1, Wo = 1, Cout = 1 }: Dims): Tile {
  if (Cout <= 4) return 'thin';
  if (Cout <= 32) return 'narrow';
  return Cout > 64 && To * Ho * Wo * Cout >= LARGE_OUTPUTS ? 'large' : 'square';
}

/** Sizes of one call. Lengths of the result follow from these. */
export type ConvSizes = {
  readonly x: readonly [T: number, H: number, W: number, Cin: number];
  readonly Cout: number;
  readonly kernel: readonly [number, number, number];
  readonly stride: readonly [number, number, number];
  /** Frames in front, rows above, columns to the left; then behind, below and to the right. */
  readonly before: readonly [number, number, number];
  readonly after: readonly [number, number, number];
  /** Rows and columns of x are doubled before the convolution sees them. */
  readonly upsample: boolean;
};

/** Returns the dims of a call. */
export function convDims(sizes: ConvSizes): Dims {
  const { x, Cout, kernel, stride, before, after, upsample } = sizes;
  const [T, H, W, Cin] = x;
  const seen = [T, upsample ? 2 * H : H, upsample ? 2 * W : W];
  const [To = 0, Ho = 0, Wo = 0] = seen.map((length, axis) => {
    const room = length + (before[axis] ?? 0) + (after[axis] ?? 0) - (kernel[axis] ?? 1);
    return Math.floor(room / (stride[axis] ?? 1)) + 1;
  });
  const [kt, kh, kw] = kernel;
  const [st, sh, sw] = stride;
  const [front, top, left] = before;
  return {
    ...{ T, H, W, Cin, To, Ho, Wo, Cout, kt, kh, kw, st, sh, sw, front, top, left },
    taps: kt * kh * kw,
    doubled: Number(upsample),
  };
}

export const conv = defineKernel({
  name: 'conv',
  wgsl,
  tensors: {
    x: input(),
    w: weight(),
    hist: optional(input()),
    bias: optional(weight('f32')),
    residual: optional(input()),
    y: output(),
  },
  uniforms: {
    ...{ T: 'u32', H: 'u32', W: 'u32', Cin: 'u32', To: 'u32', Ho: 'u32', Wo: 'u32', Cout: 'u32' },
    ...{ taps: 'u32', kh: 'u32', kw: 'u32', st: 'u32', sh: 'u32', sw: 'u32' },
    ...{ front: 'u32', top: 'u32', left: 'u32', doubled: 'u32' },
  },
  tune: { TILE: ['square', 'large', 'narrow', 'thin'] },
  choose: (dims) => ({ TILE: tileFor(dims) }),
  over: () => ['residual'],
  grid: ({ To = 1, Ho = 1, Wo = 1, Cout = 1 }, { TILE }) => {
    const [pixels, channels] = TILES[TILE as Tile];
    return [Math.ceil(Cout / channels), Math.ceil((To * Ho * Wo) / pixels), 1];
  },
  cost: (dims) => {
    const { T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1, taps = 1 } = dims;
    return {
      flops: 2 * To * Ho * Wo * Cout * taps * Cin,
      bytes: 2 * (T * H * W * Cin + taps * Cin * Cout + To * Ho * Wo * Cout),
    };
  },
  shapes: (dims) => {
    const { T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 } = dims;
    const { front = 0, taps = 1 } = dims;
    return {
      x: [T, H, W, Cin],
      w: [Cout, taps, Cin],
      hist: [Math.max(1, front), H, W, Cin],
      bias: [Cout],
      residual: [To, Ho, Wo, Cout],
      y: [To, Ho, Wo, Cout],
    };
  },
  cpu: convCpu,
  tolerance: { f32: { abs: 2e-5, rel: 1e-5 }, f16: { abs: 3e-2, rel: 4e-3 } },
  // Compiling is what takes time: cases that bind other tensors keep to one tile, the rest share the pipelines of all.
  cases: [
    {
      dims: causal([3, 5, 6, 3], 6),
      values: { ACTIVATION: 'none', TILE: 'square' },
      absent: ['residual'],
      why: 'causal 3 x 3 x 3, frames before from the history',
    },
    {
      dims: causal([2, 4, 5, 6], 5),
      values: { ACTIVATION: 'silu', TILE: 'narrow' },
      absent: ['hist'],
      why: 'zeros before the first frame, activation, residual',
    },
    {
      dims: causal([2, 4, 5, 6], 5),
      values: { ACTIVATION: 'none', TILE: 'thin' },
      absent: ['hist'],
      stored: { residual: 'f32', y: 'f32' },
      over: 'residual',
      why: 'over the residual',
    },
    {
      dims: convDimsOf([2, 5, 3, 5], 7, { upsample: true }),
      values: { ACTIVATION: 'none' },
      absent: ['hist', 'residual'],
      why: 'nearest doubling before 3 x 3',
    },
    {
      dims: convDimsOf([2, 7, 6, 12], 9, { stride: [1, 2, 2], before: [0, 0, 0] }),
      values: { ACTIVATION: 'none' },
      absent: ['hist', 'residual'],
      why: 'stride 2, padding right and below alone',
    },
    {
      dims: convDimsOf([4, 3, 3, 8], 8, {
        ...{ kernel: [3, 1, 1], stride: [2, 1, 1], before: [1, 0, 0], after: [0, 0, 0] },
      }),
      values: { ACTIVATION: 'none', TILE: 'square' },
      absent: ['residual'],
      why: 'stride 2 along frames, one frame of history',
    },
    {
      dims: convDimsOf([3, 3, 4, 4], 6, {
        ...{ kernel: [3, 1, 1], before: [1, 0, 0], after: [1, 0, 0] },
      }),
      values: { ACTIVATION: 'none' },
      absent: ['hist', 'residual'],
      why: 'frames on both sides, zeros around',
    },
    {
      dims: spatial([1, 9, 15, 20], 133, 3),
      values: { ACTIVATION: 'none' },
      absent: ['hist', 'residual'],
      why: 'edge tiles on both sides, 7 x 7',
    },
  ],
  bench: [
    {
      dims: causal([4, 60, 104, 384], 384),
      values: { ACTIVATION: 'none' },
      absent: ['residual'],
      why: 'Wan VAE 2.1, 3 x 3 x 3, 384 channels',
    },
    {
      dims: causal([4, 240, 416, 96], 96),
      values: { ACTIVATION: 'none' },
      why: 'Wan VAE 2.1, 3 x 3 x 3, 96 channels',
    },
    {
      dims: spatial([16, 40, 64, 320], 320, 1),
      values: { ACTIVATION: 'none' },
      absent: ['hist', 'residual'],
      why: 'U-Net, 3 x 3, 320 channels',
    },
  ],
});

/** A case with a 3 x 3 kernel on one frame at a time and padding 1 unless said otherwise. */
function convDimsOf(x: ConvSizes['x'], Cout: number, other: Partial<ConvSizes> = {}): Dims {
  return convDims({
    x,
    Cout,
    kernel: [1, 3, 3],
    stride: [1, 1, 1],
    before: [0, 1, 1],
    after: [0, 1, 1],
    upsample: false,
    ...other,
  });
}

function causal(x: ConvSizes['x'], Cout: number): Dims {
  return convDimsOf(x, Cout, { kernel: [3, 3, 3], before: [2, 1, 1] });
}

function spatial(x: ConvSizes['x'], Cout: number, pad: number): Dims {
  const [kernel, side] = [[1, 2 * pad + 1, 2 * pad + 1] as const, [0, pad, pad] as const];
  return convDimsOf(x, Cout, { kernel, before: side, after: side });
}

function convCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const { T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 } = dims;
  const { taps = 1, kh = 1, kw = 1, st = 1, sh = 1, sw = 1, front = 0, top = 0, left = 0 } = dims;
  const { x = new Float32Array(), w = new Float32Array(), hist, bias, residual } = inputs;
  const scale = 1 + (dims['doubled'] ?? 0);
  /** Start of the channels at a place of the padded input; undefined where it is zero. */
  const place = (t: number, h: number, v: number): [Float32Array, number] | undefined => {
    if (h < 0 || v < 0 || h >= scale * H || v >= scale * W || t >= T) return undefined;
    const at = Math.floor(h / scale) * W + Math.floor(v / scale);
    if (t >= 0) return [x, (t * H * W + at) * Cin];
    return hist && [hist, ((t + front) * H * W + at) * Cin];
  };
  const y = new Float32Array(To * Ho * Wo * Cout);
  for (let i = 0; i < To * Ho * Wo; i++) {
    const [t, h, v] = [Math.floor(i / (Wo * Ho)), Math.floor(i / Wo) % Ho, i % Wo];
    for (let o = 0; o < Cout; o++) {
      let sum = bias?.[o] ?? 0;
      for (let tap = 0; tap < taps; tap++) {
        const [a, b, e] = [Math.floor(tap / (kw * kh)), Math.floor(tap / kw) % kh, tap % kw];
        const from = place(t * st + a - front, h * sh + b - top, v * sw + e - left);
        if (!from) continue;
        const [values, at] = from;
        const first = (o * taps + tap) * Cin;
        for (let c = 0; c < Cin; c++) sum += values[at + c]! * w[first + c]!;
      }
      const out = activate(values['ACTIVATION'] as Activation, sum);
      y[i * Cout + o] = out + (residual?.[i * Cout + o] ?? 0);
    }
  }
  return { y };
}
