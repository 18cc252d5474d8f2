/** norm: layer, RMS or L2 normalisation of rows, with affine weights, modulation and activation. */
import wgsl from '../../shaders/norm.wgsl';
import type { Activation } from './activation.ts';
import { activate } from './activation.ts';
import type { Arrays, Case, Dims, Values } from './kernel.ts';
import { defineKernel, input, optional, output, weight } from './kernel.ts';

export type NormKind = 'layer' | 'rms' | 'l2';

export const norm = defineKernel({
  name: 'norm',
  wgsl,
  tensors: {
    x: input(),
    weight: optional(weight('f32')),
    bias: optional(weight('f32')),
    modulation: optional(input('f32')),
    y: output(),
  },
  uniforms: {
    rows: 'u32',
    C: 'u32',
    eps: 'f32',
    groups: 'u32',
    parts: 'u32',
    shiftPart: 'u32',
    scalePart: 'u32',
    rowsPerGroup: 'u32',
  },
  tuneBy: ['rows', 'C'],
  tune: { TEAM: [64, 16, 4, 1], SUBGROUPS: [false, true] },
  suits: ({ TEAM, SUBGROUPS }, { caps }) => !SUBGROUPS || (TEAM === 64 && caps.subgroups),
  choose: ({ C = 1 }, { subgroups }) => ({
    TEAM: C <= 32 ? 4 : C <= 256 ? 16 : 64,
    SUBGROUPS: C > 256 && subgroups,
  }),
  grid: ({ rows = 1 }, { TEAM }) => [Math.ceil(rows / (64 / Number(TEAM))), 1, 1],
  cost: ({ rows = 1, C = 1 }) => ({ flops: 10 * rows * C, bytes: 4 * rows * C }),
  shapes: ({ rows = 1, C = 1, groups = 1, parts = 1 }) => ({
    x: [rows, C],
    weight: [C],
    bias: [C],
    modulation: [groups, parts, C],
    y: [rows, C],
  }),
  cpu: normCpu,
  tolerance: { f32: { abs: 4e-6, rel: 4e-6 }, f16: { abs: 2e-3, rel: 2e-3 } },
  cases: [
    ...(['layer', 'rms', 'l2'] as const).map((KIND) => ({
      dims: {
        rows: 5,
        C: 70,
        eps: 1e-6,
        groups: 2,
        parts: 6,
        shiftPart: 3,
        scalePart: 4,
        rowsPerGroup: 2,
      },
      values: { KIND, ACTIVATION: 'none' },
      why: `${KIND}, all riders, a width that is not a multiple of four`,
    })),
    {
      dims: {
        rows: 67,
        C: 6,
        eps: 1e-12,
        groups: 1,
        parts: 1,
        shiftPart: 0,
        scalePart: 0,
        rowsPerGroup: 67,
      },
      values: { KIND: 'l2', ACTIVATION: 'silu' },
      absent: ['bias', 'modulation'],
      why: 'narrow rows, several in a workgroup',
    },
    {
      dims: {
        rows: 3,
        C: 300,
        eps: 1e-5,
        groups: 1,
        parts: 1,
        shiftPart: 0,
        scalePart: 0,
        rowsPerGroup: 3,
      },
      values: { KIND: 'layer', ACTIVATION: 'none' },
      absent: ['weight', 'bias', 'modulation'],
      fill: (_: string, i: number) => 1000 + Math.sin(i),
      tolerance: { abs: 5e-4, rel: 0 }, // f32 spacing near 1000 is 6e-5
      why: 'large mean',
    },
  ],
  bench: [
    {
      dims: {
        rows: 8192,
        C: 1536,
        eps: 1e-6,
        groups: 1,
        parts: 6,
        shiftPart: 0,
        scalePart: 1,
        rowsPerGroup: 8192,
      },
      values: { KIND: 'layer', ACTIVATION: 'none' },
      absent: ['weight', 'bias'],
      why: 'Wan 1.3B, modulated layer norm',
    },
    benchCase(16384, 3072, 'layer', 'layer norm of wide rows'),
    benchCase(16384, 1536, 'rms', 'RMS norm'),
    benchCase(399360, 96, 'l2', 'Wan VAE, 96 channels'),
    benchCase(99840, 192, 'l2', 'Wan VAE, 192 channels'),
    benchCase(24960, 384, 'l2', 'Wan VAE, 384 channels'),
  ],
});

function benchCase(rows: number, C: number, KIND: NormKind, why: string): Case {
  const unmodulated = { groups: 1, parts: 1, shiftPart: 0, scalePart: 0, rowsPerGroup: rows };
  return {
    dims: { rows, C, eps: 1e-6, ...unmodulated },
    values: { KIND, ACTIVATION: KIND === 'l2' ? 'silu' : 'none' },
    absent: KIND === 'layer' ? ['modulation'] : ['bias', 'modulation'],
    why,
  };
}

function normCpu(inputs: Arrays, dims: Dims, values: Values): Arrays {
  const {
    rows = 1,
    C = 1,
    eps = 0,
    groups = 1,
    parts = 1,
    shiftPart = 0,
    scalePart = 0,
    rowsPerGroup = 1,
  } = dims;
  const { x = new Float32Array(), weight: gamma, bias, modulation } = inputs;
  const y = new Float32Array(rows * C);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * C, (r + 1) * C);
    const mean = values['KIND'] === 'layer' ? row.reduce((a, v) => a + v, 0) / C : 0;
    const squares = row.reduce((a, v) => a + (v - mean) ** 2, 0);
    const scale =
      values['KIND'] === 'l2'
        ? Math.sqrt(C) / Math.max(Math.sqrt(squares), eps)
        : 1 / Math.sqrt(squares / C + eps);
    const group = Math.min(Math.floor(r / rowsPerGroup), groups - 1) * parts;
    for (let c = 0; c < C; c++) {
      let v = (row[c]! - mean) * scale * (gamma?.[c] ?? 1) + (bias?.[c] ?? 0);
      if (modulation)
        v =
          v * (1 + modulation[(group + scalePart) * C + c]!) +
          modulation[(group + shiftPart) * C + c]!;
      y[r * C + c] = activate(values['ACTIVATION'] as Activation, v);
    }
  }
  return { y };
}
