/** mend: adds a network's correction to a warped frame where the warp is not trusted, and packs it as RGBA8. */
import wgsl from '../../shaders/mend.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';
import { WARP_CHANNELS, blocksOf } from './warp.ts';

export const mend = defineKernel({
  name: 'mend',
  wgsl,
  tensors: { warped: input(), delta: input(), y: output('u32') },
  uniforms: { H: 'u32', W: 'u32' },
  tune: {},
  grid: ({ H = 2, W = 2 }) => [Math.ceil(blocksOf(W) / 8), Math.ceil(blocksOf(H) / 8), 1],
  cost: ({ H = 2, W = 2 }) => ({ flops: 25 * H * W, bytes: 48 * H * W }),
  shapes: ({ H = 2, W = 2 }) => ({
    warped: [blocksOf(H), blocksOf(W), 4 * WARP_CHANNELS],
    delta: [blocksOf(H), blocksOf(W), 12],
    y: [H * W],
  }),
  cpu: mendCpu,
  // One step of blue; the other channels are held by the test of a rendered frame, byte by byte.
  tolerance: { f32: { abs: 66000, rel: 1e-7 }, f16: { abs: 66000, rel: 1e-7 } },
  cases: [
    { dims: { H: 18, W: 36 }, fill: mixed, why: 'more than one workgroup' },
    { dims: { H: 5, W: 7 }, fill: mixed, why: 'odd sides' },
  ],
  bench: [{ dims: { H: 512, W: 768 }, fill: mixed, why: 'a frame of the default size' }],
});

function mixed(name: string, i: number): number {
  const wave = Math.sin(12.9898 * (i + 1) + name.length);
  return name === 'warped' ? 0.5 + 0.6 * wave : 0.5 * wave;
}

const clamp = (value: number): number => Math.min(Math.max(value, 0), 1);

/** The bytes of a frame [H, W, 3] before they are packed: for tests that look at each of them. */
export function mendedBytes({ warped, delta }: Arrays, { H = 2, W = 2 }: Dims): Uint8Array {
  return Uint8Array.from({ length: H * W * 3 }, (_, i) => {
    const [row, column, channel] = [Math.floor(i / (3 * W)), Math.floor(i / 3) % W, i % 3];
    const block = Math.floor(row / 2) * blocksOf(W) + Math.floor(column / 2);
    const inBlock = 2 * (row % 2) + (column % 2);
    const at = (lane: number): number => warped![(block * WARP_CHANNELS + lane) * 4 + inBlock]!;
    const gate = clamp(2.5 * Math.max(0.5 - at(3), 0) + at(5)) * Math.min(1, 8 * at(6));
    return Math.round(
      255 * clamp(at(channel) + gate * delta![block * 12 + channel * 4 + inBlock]!),
    );
  });
}

function mendCpu(inputs: Arrays, dims: Dims): Arrays {
  const bytes = mendedBytes(inputs, dims);
  const y = Float32Array.from({ length: bytes.length / 3 }, (_, pixel) => {
    const [red, green, blue] = bytes.subarray(3 * pixel, 3 * pixel + 3);
    return 255 * 2 ** 24 + blue! * 65536 + green! * 256 + red!;
  });
  return { y };
}
