/** resample: frames at another size: nearest, bilinear or bicubic. */
import wgsl from '../../shaders/resample.wgsl';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

const FILTERS = ['nearest', 'bilinear', 'bicubic'] as const;
export type Filter = (typeof FILTERS)[number];

const TAPS: Readonly<Record<Filter, number>> = { nearest: 1, bilinear: 2, bicubic: 4 };

export const resample = defineKernel({
  name: 'resample',
  wgsl,
  tensors: { x: input(), y: output() },
  uniforms: { F: 'u32', H: 'u32', W: 'u32', C: 'u32', height: 'u32', width: 'u32' },
  tune: {},
  grid: ({ F = 1, height = 1, width = 1, C = 1 }) => [
    Math.ceil((F * height * width * Math.ceil(C / 4)) / 64),
    1,
    1,
  ],
  cost: ({ F = 1, height = 1, width = 1, C = 1 }) => ({
    flops: 40 * F * height * width * C,
    bytes: 16 * F * height * width * C,
  }),
  shapes: ({ F = 1, H = 1, W = 1, C = 1, height = 1, width = 1 }) => ({
    x: [F, H, W, C],
    y: [F, height, width, C],
  }),
  cpu: resampleCpu,
  tolerance: { f32: { abs: 4e-6, rel: 2e-6 }, f16: { abs: 1e-3, rel: 1e-3 } },
  cases: FILTERS.flatMap((FILTER) => [
    {
      dims: { F: 2, H: 5, W: 7, C: 3, height: 8, width: 11 },
      values: { FILTER },
      why: `${FILTER}, larger`,
    },
    {
      dims: { F: 1, H: 9, W: 6, C: 6, height: 4, width: 5 },
      values: { FILTER },
      why: `${FILTER}, smaller`,
    },
    {
      dims: { F: 1, H: 1, W: 2, C: 4, height: 3, width: 8 },
      values: { FILTER },
      why: `${FILTER}, all border`,
    },
  ]),
  bench: FILTERS.map((FILTER) => ({
    dims: { F: 4, H: 60, W: 104, C: 16, height: 480, width: 832 },
    values: { FILTER },
    why: `${FILTER}, eight times larger`,
  })),
});

/** Weight of a tap at a distance. */
function weightAt(filter: Filter, distance: number): number {
  const d = Math.abs(distance);
  if (filter === 'bilinear') return Math.max(0, 1 - d);
  if (d <= 1) return (1.25 * d - 2.25) * d * d + 1;
  return d < 2 ? -0.75 * (((d - 5) * d + 8) * d - 4) : 0;
}

/** Inputs and weights of output `position` on an axis of `from` values made `to`. */
function tapsAt(
  filter: Filter,
  position: number,
  from: number,
  to: number,
): { at: number; weight: number }[] {
  if (filter === 'nearest') return [{ at: Math.floor((position * from) / to), weight: 1 }];
  const centre = ((position + 0.5) * from) / to - 0.5;
  const first = Math.floor(centre) - TAPS[filter] / 2 + 1;
  return Array.from({ length: TAPS[filter] }, (_, tap) => ({
    at: Math.min(from - 1, Math.max(0, first + tap)),
    weight: weightAt(filter, first + tap - centre),
  }));
}

function resampleCpu({ x = new Float32Array() }: Arrays, dims: Dims, values: Values): Arrays {
  const { F = 1, H = 1, W = 1, C = 1, height = 1, width = 1 } = dims;
  const filter = FILTERS.find((name) => name === values['FILTER']) ?? 'nearest';
  const y = new Float32Array(F * height * width * C);
  for (let i = 0; i < y.length; i++) {
    const [c, column, row] = [
      i % C,
      Math.floor(i / C) % width,
      Math.floor(i / (C * width)) % height,
    ];
    const frame = Math.floor(i / (C * width * height));
    for (const a of tapsAt(filter, row, H, height)) {
      for (const b of tapsAt(filter, column, W, width))
        y[i]! += a.weight * b.weight * x[((frame * H + a.at) * W + b.at) * C + c]!;
    }
  }
  return { y };
}
