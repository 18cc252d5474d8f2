import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/engine/gpu/device.ts';
import { matmul } from '../../src/engine/kernels/matmul.ts';
import type { Dispatch, Kernel } from '../../src/engine/kernels/kernel.ts';
import { selectVariant, situationOf } from '../../src/engine/kernels/select.ts';

const CAPS: Capabilities = {
  software: false,
  f16: true,
  subgroups: true,
  subgroupSize: { min: 32, max: 32 },
  subgroupMatrix: [{ component: 'f16', result: 'f32', M: 16, N: 16, K: 16 }],
  timestamps: true,
  workgroupBytes: 16384,
  maxBindingBytes: 2 ** 31,
  maxBufferBytes: 2 ** 31,
};

const like = (name: string, more: Partial<Kernel>): Kernel => ({ ...matmul, name, ...more });
const onProcessor = like('direct', { suits: (_, { caps }) => caps.software });
const matrix = like('matrix', {
  features: ['subgroup-matrix'],
  tune: { TILE: [64, 128] },
  suits: ({ TILE }, { arithmetic, dims: { M = 0 } }) => arithmetic === 'f16' && M >= Number(TILE),
});

function chosen(
  caps: Partial<Capabilities>,
  options: { M?: number; dtype?: 'f32' | 'f16'; half?: boolean } = {},
  choice?: { kernel: string; values: Record<string, number> },
) {
  const { M = 64, dtype = 'f16', half = true } = options;
  const tensor = { dtype };
  const dispatch: Dispatch<typeof tensor> = {
    kernel: matmul,
    variants: [onProcessor, matrix],
    tensors: { x: tensor, w: tensor, y: tensor, bias: undefined },
    dims: { M, N: 64, K: 64, gateGroups: 1, gateParts: 1, gatePart: 0, rowsPerGroup: 1 },
    values: { ACTIVATION: 'none' },
  };
  const situation = situationOf(dispatch, { ...CAPS, ...caps }, half);
  return selectVariant(dispatch, situation, choice);
}

describe('the choice among variants', () => {
  it('takes the first that suits', () => {
    expect(chosen({}).kernel.name).toBe('matrix');
    expect(chosen({ software: true }).kernel.name).toBe('direct');
  });

  it('falls back to the kernel that runs everywhere', () => {
    expect(chosen({}, { M: 63 }).kernel.name).toBe('matmul');
    expect(chosen({}, { dtype: 'f32' }).kernel.name).toBe('matmul');
    expect(chosen({}, { half: false }).kernel.name).toBe('matmul');
    expect(chosen({ f16: false }).kernel.name).toBe('matmul');
  });

  it('never takes a kernel whose features the device lacks', () => {
    expect(chosen({ subgroupMatrix: [] }).kernel.name).toBe('matmul');
  });

  it('binds what the call gives, in the order of the descriptor', () => {
    expect(chosen({}).bound.map(({ name }) => name)).toEqual(['x', 'w', 'y']);
  });

  it('follows a record as long as its values still suit', () => {
    const record = { kernel: 'matrix', values: { TILE: 128 } };
    expect(chosen({}, { M: 128 }, record).values).toMatchObject({ TILE: 128, ACTIVATION: 'none' });
    expect(chosen({}, { M: 100 }, record).values).toMatchObject({ TILE: 64 });
    expect(chosen({}, {}, { kernel: 'gone', values: {} }).kernel.name).toBe('matrix');
    expect(chosen({}, {}, { kernel: 'matmul', values: { RM: 8 } }).values).toMatchObject({ RM: 8 });
  });
});
