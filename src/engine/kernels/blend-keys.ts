/** blend-keys: the motion field at the moment of one frame, from its key times. */
import wgsl from '../../shaders/blend-keys.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

/** Values a frame takes in the table `frames`: four keys, their four weights, its progress, three unused. */
export const FLOATS_PER_FRAME = 12;

export const blendKeys = defineKernel({
  name: 'blend-keys',
  wgsl,
  tensors: { keys: input('f32'), frames: input('f32'), step: input('u32'), y: output('f32') },
  uniforms: { N: 'u32', K: 'u32', cells: 'u32' },
  tune: {},
  grid: ({ cells = 1 }) => [Math.ceil(cells / 64), 1, 1],
  cost: ({ cells = 1 }) => ({ flops: 28 * cells, bytes: 80 * cells }),
  shapes: ({ N = 1, K = 1, cells = 1 }) => ({
    keys: [K, cells, 4],
    frames: [N, FLOATS_PER_FRAME],
    step: [1],
    y: [cells, 4],
  }),
  cpu: blendKeysCpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-6 }, f16: { abs: 1e-6, rel: 1e-6 } },
  cases: [
    { dims: { N: 5, K: 6, cells: 70 }, fill: atFrame(3), why: 'more than one workgroup' },
    { dims: { N: 2, K: 4, cells: 3 }, fill: atFrame(9), why: 'a step past the end' },
  ],
  bench: [{ dims: { N: 49, K: 17, cells: 1792 }, fill: atFrame(20), why: 'default clip' }],
});

/** Fills `step` with one number, each frame with four keys in a row, and the rest with waves. */
function atFrame(step: number): (name: string, i: number) => number {
  return (name, i) => {
    if (name === 'step') return step;
    const column = i % FLOATS_PER_FRAME;
    if (name === 'frames' && column < 4) return Math.floor(i / FLOATS_PER_FRAME) / 2 + column - 1;
    return Math.sin(12.9898 * (i + 1) + name.length);
  };
}

function blendKeysCpu(inputs: Arrays, { N = 1, K = 1, cells = 1 }: Dims): Arrays {
  const { keys = new Float32Array(), frames = new Float32Array(), step } = inputs;
  const first = Math.min(step?.[0] ?? NaN, N - 1) * FLOATS_PER_FRAME;
  const y = Float32Array.from({ length: cells * 4 }, (_, at) => {
    if (at % 4 === 3) return frames[first + 8]!;
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      const key = Math.min(Math.max(Math.floor(frames[first + i]!), 0), K - 1);
      sum += frames[first + 4 + i]! * keys[key * cells * 4 + at]!;
    }
    return sum;
  });
  return { y };
}
