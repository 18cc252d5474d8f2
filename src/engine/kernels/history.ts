/** history: the last frames of a stream, kept in place for the next call of a causal convolution. */
import wgsl from '../../shaders/history.wgsl';
import { fitsSituation, quadsFor } from './declare-quads.ts';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, inout, input, optional } from './kernel.ts';

export const history = defineKernel({
  name: 'history',
  wgsl,
  tensors: { x: optional(input()), hist: inout() },
  uniforms: { T: 'u32', P: 'u32', C: 'u32' },
  tune: { LANES: [128, 64], QUADS: [2, 1] },
  suits: fitsSituation,
  choose: (dims, caps, arithmetic) =>
    caps.software ? { LANES: 64, QUADS: 1 } : quadsFor(dims, arithmetic),
  derive: (_, { frames = 1 }) => ({ FRAMES: frames }),
  grid: ({ P = 1, C = 1 }, { LANES, QUADS }) => [
    Math.ceil((P * Math.ceil(C / 4)) / Number(QUADS) / Number(LANES)),
    1,
    1,
  ],
  cost: ({ P = 1, C = 1, frames = 1 }) => ({ flops: 0, bytes: 4 * frames * P * C }),
  shapes: ({ T = 1, P = 1, C = 1, frames = 1 }) => ({
    x: [Math.max(1, T), P, C],
    hist: [frames, P, C],
  }),
  cpu: historyCpu,
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // copies alone
  cases: [
    {
      dims: { T: 1, P: 7, C: 6, frames: 2 },
      values: { FRESH: false },
      why: 'fewer frames than kept',
    },
    {
      dims: { T: 4, P: 5, C: 24, frames: 2 },
      values: { FRESH: false },
      why: 'more frames than kept',
    },
    { dims: { T: 1, P: 17, C: 3, frames: 2 }, values: { FRESH: true }, why: 'a new stream' },
    {
      dims: { T: 0, P: 9, C: 4, frames: 2 },
      values: { FRESH: true },
      absent: ['x'],
      why: 'cleared',
    },
  ],
  bench: [
    {
      dims: { T: 4, P: 240 * 416, C: 96, frames: 2 },
      values: { FRESH: false },
      why: 'Wan VAE 2.1, 96 channels',
    },
  ],
});

function historyCpu({ x, hist }: Arrays, dims: Dims, values: Values): Arrays {
  const { T = 0, P = 1, C = 1, frames = 1 } = dims;
  const old = values['FRESH'] ? new Float32Array(frames * P * C) : [...(hist ?? [])];
  const all = [...old, ...(x ?? []).slice(0, T * P * C)];
  return { hist: Float32Array.from(all.slice(T * P * C)) };
}
