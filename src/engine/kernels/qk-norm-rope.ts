/** qk-norm-rope: RMS norm of queries or keys over the full width and rotary position embedding; either may be absent. */
import wgsl from '../../shaders/qk-norm-rope.wgsl';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

/** Which values of a head turn together: neighbours (2j, 2j + 1), or the two halves (j, j + D/2). */
export type Pairing = 'interleaved' | 'half';

export const qkNormRope = defineKernel({
  name: 'qk-norm-rope',
  wgsl,
  tensors: {
    x: input(),
    weight: optional(weight('f32')),
    table: optional(weight('f32')),
    y: output(),
  },
  uniforms: {
    rows: 'u32',
    heads: 'u32',
    D: 'u32',
    rowsPerPosition: 'u32',
    planeRows: 'u32',
    eps: 'f32',
  },
  tuneBy: ['rows', 'heads', 'D'],
  tune: { TEAM: [64, 16] },
  choose: ({ heads = 1, D = 4 }) => ({ TEAM: heads * D <= 256 ? 16 : 64 }),
  // Pairs that lie apart are read by two invocations.
  over: (_, { PAIRING }) => (PAIRING === 'interleaved' ? ['x'] : []),
  grid: ({ rows = 1 }, { TEAM }) => [Math.ceil(rows / (64 / Number(TEAM))), 1, 1],
  cost: ({ rows = 1, heads = 1, D = 4 }) => ({
    flops: 8 * rows * heads * D,
    bytes: 4 * rows * heads * D,
  }),
  shapes: ({ rows = 1, heads = 1, D = 4, rowsPerPosition = 1, planeRows = rows }) => ({
    x: [rows, heads * D],
    weight: [rows / planeRows, heads * D],
    table: [Math.ceil(planeRows / rowsPerPosition), D],
    y: [rows, heads * D],
  }),
  cpu: qkNormRopeCpu,
  tolerance: { f32: { abs: 4e-6, rel: 4e-6 }, f16: { abs: 4e-3, rel: 2e-3 } },
  cases: [
    ...(['interleaved', 'half'] as const).map((PAIRING) => ({
      dims: { rows: 14, heads: 3, D: 24, rowsPerPosition: 1, planeRows: 7, eps: 1e-6 },
      values: { PAIRING, NORM: true },
      why: `${PAIRING} pairs, norm over all heads, queries and keys`,
    })),
    {
      dims: { rows: 14, heads: 3, D: 24, rowsPerPosition: 1, planeRows: 7, eps: 1e-6 },
      values: { PAIRING: 'interleaved', NORM: true },
      over: 'x',
      why: 'queries and keys where they lie',
    },
    {
      dims: { rows: 10, heads: 1, D: 8, rowsPerPosition: 2, planeRows: 10, eps: 1e-6 },
      values: { PAIRING: 'half', NORM: false },
      absent: ['weight'],
      why: 'rotation alone, two rows at each position',
    },
    {
      dims: { rows: 3, heads: 5, D: 128, rowsPerPosition: 1, planeRows: 3, eps: 1e-5 },
      values: { PAIRING: 'interleaved', NORM: true },
      absent: ['table'],
      why: 'norm alone, rows wider than a workgroup',
    },
  ],
  bench: [
    {
      dims: { rows: 16384, heads: 12, D: 128, rowsPerPosition: 1, planeRows: 8192, eps: 1e-6 },
      values: { PAIRING: 'interleaved', NORM: true },
      why: 'Wan 1.3B, queries and keys',
    },
  ],
});

function qkNormRopeCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const { rows = 1, heads = 1, D = 4, rowsPerPosition = 1, planeRows = 1, eps = 0 } = dims;
  const { x = new Float32Array(), weight: gamma, table } = inputs;
  const C = heads * D;
  const y = new Float32Array(rows * C);
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from(x.subarray(r * C, (r + 1) * C));
    const scale = values['NORM'] ? 1 / Math.sqrt(row.reduce((a, v) => a + v * v, 0) / C + eps) : 1;
    const plane = Math.floor(r / planeRows);
    const h = row.map((v, c) => v * scale * (gamma?.[plane * C + c] ?? 1));
    for (let pair = 0; pair < C / 2; pair++) {
      const j = pair % (D / 2);
      const head = (pair - j) * 2;
      const [a, b] =
        values['PAIRING'] === 'half'
          ? [head + j, head + j + D / 2]
          : [head + 2 * j, head + 2 * j + 1];
      const at = Math.floor((r % planeRows) / rowsPerPosition) * D + 2 * j;
      const [cos, sin] = table ? [table[at]!, table[at + 1]!] : [1, 0];
      y[r * C + a] = h[a]! * cos - h[b]! * sin;
      y[r * C + b] = h[a]! * sin + h[b]! * cos;
    }
  }
  return { y };
}
