/** to-rgba: frames as pixels of four bytes. */
import wgsl from '../../shaders/to-rgba.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const toRgba = defineKernel({
  name: 'to-rgba',
  wgsl,
  tensors: { x: input(), y: output('u32') },
  uniforms: { pixels: 'u32', scale: 'f32', shift: 'f32', alpha: 'f32' },
  tune: {},
  grid: ({ pixels = 1 }) => [Math.ceil(pixels / 64), 1, 1],
  cost: ({ pixels = 1 }) => ({ flops: 10 * pixels, bytes: 16 * pixels }),
  shapes: ({ pixels = 1 }) => ({ x: [pixels, 3], y: [pixels] }),
  cpu: toRgbaCpu,
  tolerance: { f32: { abs: 0.5, rel: 0 }, f16: { abs: 0.5, rel: 0 } }, // whole numbers
  cases: [
    // Pixels are compared as f32, which holds the 24 bits of the colours but no alpha above them.
    {
      dims: { pixels: 301, scale: 0.5, shift: 0.5, alpha: 0 },
      fill: between,
      why: 'colours of -1..1 and beyond',
    },
    {
      dims: { pixels: 5, scale: 1, shift: 0, alpha: 1 },
      fill: (_, i) => (i % 3 === 0 ? 1 : 0),
      tolerance: { abs: 0, rel: 1e-7 },
      why: 'alpha in the highest byte',
    },
  ],
  bench: [
    {
      dims: { pixels: 4 * 480 * 832, scale: 0.5, shift: 0.5, alpha: 1 },
      why: 'four frames of 480 × 832',
    },
  ],
});

/** Values a fifth above a whole byte, so that no storage type changes the rounding; some are out of range. */
function between(_: string, i: number): number {
  return ((((i * 7) % 300) - 20 + 0.2) / 255) * 2 - 1;
}

function toRgbaCpu({ x = new Float32Array() }: Arrays, dims: Dims): Arrays {
  const { pixels = 0, scale = 1, shift = 0, alpha = 1 } = dims;
  const byte = (v: number): number => Math.round(255 * Math.min(1, Math.max(0, v)));
  const channel = (i: number, c: number): number => byte(scale * x[3 * i + c]! + shift) * 256 ** c;
  const y = Float32Array.from(
    { length: pixels },
    (_, i) => channel(i, 0) + channel(i, 1) + channel(i, 2) + byte(alpha) * 256 ** 3,
  );
  return { y };
}
