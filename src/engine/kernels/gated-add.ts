/** gated-add: residual + gate * x, the gate shared by groups of rows. */
import wgsl from '../../shaders/gated-add.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, output } from './kernel.ts';

export const gatedAdd = defineKernel({
  name: 'gated-add',
  wgsl,
  tensors: { x: input(), gate: input('f32'), residual: input(), y: output() },
  uniforms: {
    rows: 'u32',
    C: 'u32',
    gateGroups: 'u32',
    gateParts: 'u32',
    gatePart: 'u32',
    rowsPerGroup: 'u32',
  },
  tune: {},
  over: () => ['residual', 'x'],
  grid: ({ rows = 1, C = 1 }) => [Math.ceil((rows * Math.ceil(C / 4)) / 64), 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: 2 * rows * C, bytes: 8 * rows * C }),
  shapes: ({ rows = 1, C = 1, gateGroups = 1, gateParts = 1 }) => ({
    x: [rows, C],
    gate: [gateGroups, gateParts, C],
    residual: [rows, C],
    y: [rows, C],
  }),
  cpu: gatedAddCpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-6 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    {
      dims: { rows: 7, C: 6, gateGroups: 2, gateParts: 6, gatePart: 5, rowsPerGroup: 3 },
      why: 'last group takes the rest of the rows',
    },
    {
      dims: { rows: 130, C: 4, gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: 1 },
      why: 'one gate for all rows',
    },
    ...['residual', 'x'].map((over) => ({
      dims: { rows: 70, C: 6, gateGroups: 2, gateParts: 6, gatePart: 5, rowsPerGroup: 30 },
      over,
      why: `over ${over}`,
    })),
  ],
  bench: [
    {
      dims: { rows: 8192, C: 3072, gateGroups: 2, gateParts: 6, gatePart: 2, rowsPerGroup: 390 },
      why: 'Wan 5B block',
    },
  ],
});

function gatedAddCpu(inputs: Arrays, dims: Dims): Arrays {
  const { rows = 1, C = 1, gateGroups = 1, gateParts = 1, gatePart = 0, rowsPerGroup = 1 } = dims;
  const {
    x = new Float32Array(),
    gate = new Float32Array(),
    residual = new Float32Array(),
  } = inputs;
  const y = new Float32Array(rows * C);
  for (let r = 0; r < rows; r++) {
    const group = Math.min(Math.floor(r / rowsPerGroup), gateGroups - 1);
    for (let c = 0; c < C; c++) {
      y[r * C + c] =
        residual[r * C + c]! + gate[(group * gateParts + gatePart) * C + c]! * x[r * C + c]!;
    }
  }
  return { y };
}
