/** limit-norm: a vector made no longer than some multiple of another; keeps guided velocities in bounds. */
import wgsl from '../../shaders/limit-norm.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const limitNorm = defineKernel({
  name: 'limit-norm',
  wgsl,
  tensors: { x: input(), c: input(), y: output('f32') },
  uniforms: { groups: 'u32', limit: 'f32' },
  tune: {},
  grid: () => [1, 1, 1],
  cost: ({ groups = 1 }) => ({ flops: 20 * groups, bytes: 64 * groups }),
  shapes: ({ groups = 1 }) => ({ x: [groups, 4], c: [groups, 4], y: [groups, 4] }),
  cpu: limitNormCpu,
  tolerance: { f32: { abs: 2e-6, rel: 4e-6 }, f16: { abs: 2e-6, rel: 4e-6 } },
  cases: [
    { dims: { groups: 300, limit: 0.5 }, why: 'longer than allowed, more groups than lanes' },
    { dims: { groups: 5, limit: 40 }, why: 'short enough: nothing changes' },
    {
      dims: { groups: 3, limit: 1 },
      fill: (name: string, i: number) => (name === 'x' ? 0 : i + 1),
      why: 'a length of zero',
    },
  ],
  bench: [{ dims: { groups: 65_536, limit: 1 }, why: 'latent of a picture of 1024 × 1024' }],
});

function limitNormCpu({ x, c }: Arrays, { limit = 1 }: Dims): Arrays {
  const norm = (values: Float32Array): number =>
    Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const [length, most] = [norm(x!), limit * norm(c!)];
  const factor = length > most ? most / length : 1;
  return { y: x!.map((value) => value * factor) };
}
