/** elementwise: activation, scale and shift, sum or product with a second tensor that may repeat over rows. */
import wgsl from '../../shaders/elementwise.wgsl';
import type { Activation } from './activation.ts';
import { ACTIVATIONS, activate } from './activation.ts';
import type { Arrays, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';
import { ONE_BY_ONE, STREAM_TUNE, streamGrid, streamSuits, streamValues } from './stream.ts';

const plain = { scale: 1, shift: 0, bRows: 1, repeatEach: 1 };

export const elementwise = defineKernel({
  name: 'elementwise',
  wgsl,
  tensors: { x: input(), b: optional(input()), y: output() },
  uniforms: { rows: 'u32', C: 'u32', bRows: 'u32', repeatEach: 'u32', scale: 'f32', shift: 'f32' },
  tuneBy: ['rows', 'C'],
  tune: STREAM_TUNE,
  suits: (values, { dims, caps }) => streamSuits(values, dims, caps),
  choose: (dims, caps, arithmetic) => ({
    ...streamValues(dims, caps, arithmetic),
    REPEATS: dims['bRows'] !== dims['rows'] || dims['repeatEach'] !== 1,
  }),
  over: ({ rows, bRows, repeatEach }) => (bRows === rows && repeatEach === 1 ? ['x', 'b'] : ['x']),
  grid: ({ rows = 1, C = 1 }, values) => streamGrid(rows * Math.ceil(C / 4), values),
  cost: ({ rows = 1, C = 1 }) => ({ flops: 4 * rows * C, bytes: 6 * rows * C }),
  shapes: ({ rows = 1, C = 1, bRows = 1 }) => ({ x: [rows, C], b: [bRows, C], y: [rows, C] }),
  cpu: elementwiseCpu,
  tolerance: { f32: { abs: 2e-6, rel: 2e-6 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    ...ACTIVATIONS.map((ACTIVATION) => ({
      dims: { rows: 5, C: 7, ...plain, scale: 3, shift: 0.5 },
      values: { ACTIVATION, COMBINE: 'none', ...ONE_BY_ONE },
      absent: ['b'],
      fill: (_: string, i: number) => (i % 2 ? -1 : 1) * (i % 19),
      why: `${ACTIVATION} over a wide range`,
    })),
    {
      dims: { rows: 6, C: 6, ...plain, bRows: 6 },
      values: { ACTIVATION: 'none', COMBINE: 'add' },
      why: 'sum',
    },
    {
      dims: { rows: 12, C: 5, ...plain, bRows: 2, repeatEach: 3 },
      values: { ACTIVATION: 'silu', COMBINE: 'mul' },
      why: 'product with rows that repeat',
    },
    {
      dims: { rows: 42, C: 40, ...plain, bRows: 14 },
      values: { ACTIVATION: 'none', COMBINE: 'add' },
      why: 'whole runs of eight values, the last workgroup not full',
    },
    ...['x', 'b'].map((over) => ({
      dims: { rows: 42, C: 40, ...plain, bRows: 42 },
      values: { ACTIVATION: 'none', COMBINE: 'add' },
      over,
      why: `over ${over}`,
    })),
  ],
  bench: [
    {
      dims: { rows: 8192, C: 4096, ...plain, bRows: 8192 },
      values: { ACTIVATION: 'silu', COMBINE: 'mul' },
      why: 'gated product',
    },
    {
      dims: { rows: 16384, C: 3072, ...plain, bRows: 16384 },
      values: { ACTIVATION: 'none', COMBINE: 'add' },
      why: 'sum',
    },
  ],
});

function elementwiseCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const { rows = 1, C = 1, bRows = 1, repeatEach = 1, scale = 1, shift = 0 } = dims;
  const { x = new Float32Array(), b } = inputs;
  const y = new Float32Array(rows * C);
  for (let i = 0; i < y.length; i++) {
    const v = activate(values['ACTIVATION'] as Activation, x[i]!) * scale + shift;
    const other = b ? b[(Math.floor(Math.floor(i / C) / repeatEach) % bRows) * C + (i % C)]! : 0;
    y[i] = !b ? v : values['COMBINE'] === 'add' ? v + other : v * other;
  }
  return { y };
}
