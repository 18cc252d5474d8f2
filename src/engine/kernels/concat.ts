/** concat: two or three tensors end to end along any axis. */
import wgsl from '../../shaders/concat.wgsl';
import type { Shape } from '../gpu/tensor.ts';
import { fitsQuads, quadsFor } from './declare-quads.ts';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';

export const concat = defineKernel({
  name: 'concat',
  wgsl,
  tensors: { a: input(), b: input(), c: optional(input()), y: output() },
  uniforms: {
    outer: 'u32',
    inner: 'u32',
    C: 'u32',
    aLength: 'u32',
    bLength: 'u32',
    cLength: 'u32',
  },
  tune: { LANES: [256, 64], QUADS: [2, 1] },
  suits: (values, { dims, caps }) =>
    (values['LAST'] === true ? values['QUADS'] === 1 : fitsQuads(values, dims)) &&
    !(caps.software && values['LANES'] !== 64),
  // C is 1 along the padded axis.
  choose: (dims, caps, arithmetic) =>
    caps.software ? { LANES: 64, QUADS: 1 } : quadsFor(dims, arithmetic),
  grid: (dims, { LAST, LANES, QUADS }) => [
    Math.ceil(groupsOf(dims, LAST === true) / Number(QUADS) / Number(LANES)),
    1,
    1,
  ],
  cost: ({ outer = 1, inner = 1, C = 1, ...n }) => {
    const values = outer * inner * C * lengthOf(n);
    return { flops: values, bytes: 4 * values };
  },
  shapes: ({ outer = 1, inner = 1, C = 1, last = 0, ...n }) => {
    const shape = (length = 0): Shape => (last ? [outer, length] : [outer, length, inner, C]);
    return {
      a: shape(n['aLength']),
      b: shape(n['bLength']),
      c: shape(n['cLength']),
      y: shape(lengthOf(n)),
    };
  },
  cpu: concatCpu,
  tolerance: { f32: { abs: 1e-30, rel: 0 }, f16: { abs: 1e-30, rel: 0 } }, // a copy: any difference is far above this
  cases: [
    {
      dims: dimsOf(3, [2, 5, 1], 1, 1),
      values: { LAST: true },
      why: 'three along the padded axis',
    },
    {
      dims: dimsOf(70, [16, 4, 0], 1, 1),
      values: { LAST: true },
      absent: ['c'],
      why: 'two along the padded axis',
    },
    {
      dims: dimsOf(1, [1, 6, 2], 35, 7),
      values: { LAST: false },
      why: 'three along the first axis',
    },
    {
      dims: dimsOf(4, [3, 2, 0], 5, 6),
      values: { LAST: false },
      absent: ['c'],
      why: 'two along a middle axis',
    },
    {
      dims: dimsOf(9, [2, 1, 0], 1, 24),
      values: { LAST: false },
      absent: ['c'],
      why: 'whole runs of eight values',
    },
  ],
  bench: [
    {
      dims: dimsOf(32768, [16, 20, 0], 1, 1),
      values: { LAST: true },
      absent: ['c'],
      why: '36 channels of a conditioned latent',
    },
    {
      dims: dimsOf(40960, [2, 1, 0], 1, 320),
      values: { LAST: false },
      absent: ['c'],
      why: '3-D UNet, 640 and 320 channels',
    },
  ],
});

function dimsOf(
  outer: number,
  [aLength = 1, bLength = 1, cLength = 0]: readonly number[],
  inner: number,
  C: number,
): Dims {
  return { outer, inner, C, aLength, bLength, cLength, last: inner === 1 && C === 1 ? 1 : 0 };
}

const lengthOf = ({ aLength = 0, bLength = 0, cLength = 0 }: Dims): number =>
  aLength + bLength + cLength;

function groupsOf(dims: Dims, last: boolean): number {
  const { outer = 1, inner = 1, C = 1 } = dims;
  return last
    ? outer * Math.ceil(lengthOf(dims) / 4)
    : outer * lengthOf(dims) * inner * Math.ceil(C / 4);
}

function concatCpu(inputs: Arrays, dims: Dims): Arrays {
  const { outer = 1, inner = 1, C = 1, aLength = 0, bLength = 0, cLength = 0 } = dims;
  const parts = [
    { values: inputs['a'], length: aLength },
    { values: inputs['b'], length: bLength },
    { values: inputs['c'], length: cLength },
  ];
  const y: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const { values, length } of parts) {
      const span = length * inner * C;
      for (let i = 0; i < span; i++) y.push(values?.[o * span + i] ?? NaN);
    }
  }
  return { y: Float32Array.from(y) };
}
