/** matmul: x Wᵀ with bias, activation, factor, gate and residual on the way out. */
import wgsl from '../../shaders/matmul.wgsl';
import type { Activation } from './activation.ts';
import { activate } from './activation.ts';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output, scalesOf, weight } from './kernel.ts';
import { INTEGER_TYPES, quantisedCase, scaleShape, weightValues } from './quantised-weights.ts';

export const matmul = defineKernel({
  name: 'matmul',
  wgsl,
  tensors: {
    x: input(),
    w: weight(),
    scale: scalesOf('w'),
    bias: optional(weight('f32')),
    gate: optional(input('f32')),
    factor: optional(input()),
    residual: optional(input()),
    y: output(),
  },
  uniforms: {
    M: 'u32',
    N: 'u32',
    K: 'u32',
    gateGroups: 'u32',
    gateParts: 'u32',
    gatePart: 'u32',
    rowsPerGroup: 'u32',
    planes: 'u32',
  },
  tuneBy: ['M', 'N', 'K', 'planes'],
  tune: { RM: [4, 1, 2, 8] },
  choose: ({ M = 1 }) => ({ RM: M <= 16 ? 1 : M <= 32 ? 2 : 4 }),
  over: ({ planes }) => (planes === 1 ? ['residual'] : []),
  grid: ({ M = 1, N = 1 }, { RM }) => [Math.ceil(N / 64), Math.ceil(M / (16 * Number(RM))), 1],
  cost: ({ M = 1, N = 1, K = 1, weightBits = 16 }) => ({
    flops: 2 * M * N * K,
    bytes: 2 * (M * K + M * N) + (N * K * weightBits) / 8,
  }),
  shapes: ({ M = 1, N = 1, K = 1, gateGroups = 1, gateParts = 1, planes = 1, scales = 1 }) => ({
    x: [M, K],
    w: [N, K],
    scale: scaleShape({ N, scales }),
    bias: [N],
    gate: [gateGroups, gateParts, N],
    factor: [M, N],
    residual: [M, N],
    y: [planes * M, N / planes],
  }),
  cpu: matmulCpu,
  tolerance: { f32: { abs: 2e-5, rel: 1e-5 }, f16: { abs: 2e-2, rel: 4e-3 } },
  cases: [
    // The other activations are tested with elementwise: compiling is what takes time on processors.
    ...(['none', 'gelu_tanh'] as const).map((ACTIVATION) => ({
      dims: {
        M: 5,
        N: 6,
        K: 7,
        gateGroups: 1,
        gateParts: 1,
        gatePart: 0,
        rowsPerGroup: 1,
        planes: 1,
      },
      values: { ACTIVATION },
      absent: ['gate', 'factor', 'residual'],
      why: `no axis is a multiple of four, ${ACTIVATION}`,
    })),
    {
      dims: {
        M: 70,
        N: 68,
        K: 36,
        gateGroups: 2,
        gateParts: 6,
        gatePart: 2,
        rowsPerGroup: 30,
        planes: 1,
      },
      values: { ACTIVATION: 'none' },
      why: 'edge tiles on every side, gate by groups, factor and residual',
    },
    {
      dims: {
        M: 3,
        N: 130,
        K: 33,
        gateGroups: 1,
        gateParts: 1,
        gatePart: 0,
        rowsPerGroup: 3,
        planes: 1,
      },
      values: { ACTIVATION: 'silu' },
      absent: ['bias', 'factor'],
      why: 'fewer rows than one tile, no bias',
    },
    {
      dims: {
        M: 21,
        N: 84,
        K: 20,
        gateGroups: 1,
        gateParts: 1,
        gatePart: 0,
        rowsPerGroup: 21,
        planes: 3,
      },
      values: { ACTIVATION: 'none' },
      absent: ['gate', 'factor', 'residual'],
      why: 'three products behind one another',
    },
    {
      dims: { ...benchDims(18, 70, 20), gateGroups: 2, rowsPerGroup: 10 },
      values: { ACTIVATION: 'none' },
      absent: ['factor'],
      stored: { residual: 'f32', y: 'f32' },
      over: 'residual',
      why: 'over the residual, edge tiles on every side',
    },
    ...INTEGER_TYPES.map((type) =>
      quantisedCase(
        {
          dims: { ...benchDims(35, 70, 150), gateGroups: 2, rowsPerGroup: 20 },
          values: { ACTIVATION: 'none', RM: 4 },
          absent: ['factor'],
          tolerance: { abs: 0.03, rel: 6e-3 },
          why: 'the last group is cut',
        },
        type,
      ),
    ),
  ],
  bench: [
    {
      dims: benchDims(4096, 4096, 4096),
      values: { ACTIVATION: 'none' },
      absent: ['gate', 'factor', 'residual'],
      why: '4096³',
    },
    {
      dims: benchDims(1792, 1536, 384),
      values: { ACTIVATION: 'gelu_tanh' },
      absent: ['gate', 'factor', 'residual'],
      why: 'motion model, feed-forward',
    },
    ...INTEGER_TYPES.map((type) =>
      quantisedCase(
        {
          dims: benchDims(4096, 4096, 4096),
          values: { ACTIVATION: 'none' },
          absent: ['gate', 'factor', 'residual'],
          why: '4096³',
        },
        type,
      ),
    ),
  ],
});

function benchDims(M: number, N: number, K: number): Dims {
  return { M, N, K, gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: M, planes: 1 };
}

function matmulCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const {
    M = 1,
    N = 1,
    K = 1,
    gateGroups = 1,
    gateParts = 1,
    gatePart = 0,
    rowsPerGroup = 1,
    planes = 1,
  } = dims;
  const { x = new Float32Array(), bias, gate, factor, residual } = inputs;
  const w = weightValues(inputs, dims, values);
  const y = new Float32Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x[m * K + k]! * w[n * K + k]!;
      let v = activate(values['ACTIVATION'] as Activation, sum + (bias?.[n] ?? 0));
      if (factor) v *= factor[m * N + n]!;
      if (gate)
        v *=
          gate[
            (Math.min(Math.floor(m / rowsPerGroup), gateGroups - 1) * gateParts + gatePart) * N + n
          ]!;
      const width = N / planes;
      const plane = Math.floor(n / width);
      y[(plane * M + m) * width + n - plane * width] = v + (residual?.[m * N + n] ?? 0);
    }
  }
  return { y };
}
