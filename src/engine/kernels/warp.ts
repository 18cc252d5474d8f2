/** warp: a picture moved along a coarse field of displacements, with what a mending network wants to know. */
import wgsl from '../../shaders/warp.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output, weight } from './kernel.ts';

/** Channels of a pixel: red, green, blue, confidence, stretch, outside, progress, one. */
export const WARP_CHANNELS = 8;

/** Blocks of 2 × 2 pixels along a side, an even number: the mending network halves them once more. */
export const blocksOf = (side: number): number => 2 * Math.ceil(side / 4);

export const warp = defineKernel({
  name: 'warp',
  wgsl,
  tensors: { field: input('f32'), picture: weight(), y: output() },
  uniforms: { H: 'u32', W: 'u32', h: 'u32', w: 'u32', H0: 'u32', W0: 'u32' },
  tune: {},
  grid: ({ H = 2, W = 2 }) => [Math.ceil(blocksOf(W) / 8), Math.ceil(blocksOf(H) / 8), 1],
  cost: ({ H = 2, W = 2 }) => ({ flops: 400 * H * W, bytes: 40 * H * W }),
  shapes: ({ H = 2, W = 2, h = 1, w = 1, H0 = 1, W0 = 1 }) => ({
    field: [h, w, 4],
    picture: [H0, W0, 3],
    y: [blocksOf(H), blocksOf(W), 4 * WARP_CHANNELS],
  }),
  cpu: warpCpu,
  tolerance: { f32: { abs: 3e-5, rel: 1e-5 }, f16: { abs: 1e-3, rel: 1e-3 } },
  cases: [
    { dims: { H: 18, W: 34, h: 3, w: 5, H0: 18, W0: 34 }, fill: drift(0.07), why: 'odd grid' },
    { dims: { H: 9, W: 14, h: 1, w: 2, H0: 23, W0: 7 }, fill: drift(0.2), why: 'other size' },
    { dims: { H: 6, W: 8, h: 2, w: 2, H0: 6, W0: 8 }, fill: drift(2.6), why: 'far outside' },
    { dims: { H: 8, W: 8, h: 2, w: 2, H0: 8, W0: 8 }, fill: drift(0), why: 'nothing moves' },
  ],
  bench: [
    {
      dims: { H: 512, W: 768, h: 36, w: 48, H0: 512, W0: 768 },
      fill: drift(0.03),
      why: 'a frame of the default size',
    },
  ],
});

/** A picture of waves, displacements up to `by`, confidence from below 0 to above 1. */
function drift(by: number): (name: string, i: number) => number {
  return (name, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + name.length);
    if (name === 'picture') return 0.5 + wave / 2;
    return i % 4 < 2 ? by * wave : 0.5 + 0.7 * wave;
  };
}

const spline = (t: number): number => {
  const x = Math.abs(t);
  if (x < 1) return 2 / 3 - x * x + x ** 3 / 2;
  return x < 2 ? (2 - x) ** 3 / 6 : 0;
};

const splineSlope = (t: number): number => {
  const x = Math.abs(t);
  if (x < 1) return Math.sign(t) * (1.5 * x * x - 2 * x);
  return x < 2 ? Math.sign(t) * -0.5 * (2 - x) ** 2 : 0;
};

const cubic = (t: number): number => {
  const x = Math.abs(t);
  if (x < 1) return 1.25 * x ** 3 - 2.25 * x * x + 1;
  return x < 2 ? -0.75 * (x ** 3 - 5 * x * x + 8 * x - 4) : 0;
};

const AROUND = [-1, 0, 1, 2] as const;

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), high);

/** A place folded back into 0…length by mirrors at both ends. */
function mirror(at: number, length: number): number {
  const folded = Math.abs(at) % (2 * length);
  return Math.min(folded, 2 * length - folded);
}

function warpCpu(inputs: Arrays, dims: Dims): Arrays {
  const { H = 2, W = 2 } = dims;
  const [rows, columns] = [2 * blocksOf(H), 2 * blocksOf(W)];
  const y = new Float32Array(rows * columns * WARP_CHANNELS);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = Math.floor(row / 2) * (columns / 2) + Math.floor(column / 2);
      const inBlock = 2 * (row % 2) + (column % 2);
      pixel(inputs, dims, Math.min(column, W - 1) + 0.5, Math.min(row, H - 1) + 0.5).forEach(
        (value, channel) => {
          y[(block * WARP_CHANNELS + channel) * 4 + inBlock] = value;
        },
      );
    }
  }
  return { y };
}

/** The eight channels of the pixel at (x, y), counted from the frame's corner. */
function pixel({ field, picture }: Arrays, dims: Dims, x: number, y: number): number[] {
  const { H = 2, W = 2, h = 1, w = 1 } = dims;
  const [gx, gy] = [(x * w) / W - 0.5, (y * h) / H - 0.5];
  const sample = (lane: number, alongX: typeof spline, alongY: typeof spline): number => {
    let sum = 0;
    for (const j of AROUND) {
      for (const i of AROUND) {
        const [cx, cy] = [Math.floor(gx) + i, Math.floor(gy) + j];
        const cell = clamp(cy, 0, h - 1) * w + clamp(cx, 0, w - 1);
        sum += alongX(gx - cx) * alongY(gy - cy) * field![cell * 4 + lane]!;
      }
    }
    return sum;
  };
  const sx = x + W * sample(0, spline, spline);
  const sy = y + W * sample(1, spline, spline);
  const byX = [0, 1].map((lane) => w * sample(lane, splineSlope, spline));
  const byY = [0, 1].map((lane) => ((h * W) / H) * sample(lane, spline, splineSlope));
  const area = (1 + byX[0]!) * (1 + byY[1]!) - byX[1]! * byY[0]!;
  const outside = sx < 0 || sx > W || sy < 0 || sy > H ? 1 : 0;
  return [
    ...colour(picture!, dims, sx, sy),
    clamp(sample(2, spline, spline), 0, 1),
    clamp(Math.abs(area - 1), 0, 1),
    outside,
    sample(3, spline, spline),
    1,
  ];
}

function colour(picture: Float32Array, dims: Dims, sx: number, sy: number): number[] {
  const { H = 2, W = 2, H0 = 1, W0 = 1 } = dims;
  const qx = mirror((sx * W0) / W, W0) - 0.5;
  const qy = mirror((sy * H0) / H, H0) - 0.5;
  return [0, 1, 2].map((channel) => {
    const middle: number[] = [];
    let sum = 0;
    for (const j of AROUND) {
      for (const i of AROUND) {
        const [cx, cy] = [Math.floor(qx) + i, Math.floor(qy) + j];
        const pixel = clamp(cy, 0, H0 - 1) * W0 + clamp(cx, 0, W0 - 1);
        const value = picture[pixel * 3 + channel]!;
        sum += cubic(qx - cx) * cubic(qy - cy) * value;
        if ((i === 0 || i === 1) && (j === 0 || j === 1)) middle.push(value);
      }
    }
    return clamp(sum, Math.min(...middle), Math.max(...middle));
  });
}
