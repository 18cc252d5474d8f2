/** What the device can do at most: multiply-adds in registers, in each type and in the matrix units. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import type { MatrixConfig } from '../src/engine/gpu/subgroup-matrix.ts';
import { matrixDirectives } from '../src/engine/gpu/subgroup-matrix.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';
import { copyBandwidth } from './copy.ts';
import { timeWork } from './timing.ts';

/** Speeds of the device itself; TFLOP/s, and GB/s read and written. */
export type Ceilings = {
  readonly copyGigabytes: number;
  readonly f32: number;
  readonly f16?: number;
  /** f16 through subgroup matrices, sums in f32 where the device offers it. */
  readonly matrix?: number;
};

const LANES = 256;
/** Vectors that a lane keeps going at once, so that none waits for the one before. */
const CHAINS = 8;
const STEPS = 256;

const fmaCode = (type: 'f32' | 'f16'): string => `${type === 'f16' ? 'enable f16;' : ''}
alias V = vec4<${type}>;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = V(${type}(id.x & 7u) * 0.001 + 0.5);
  let b = V(${type}(id.x & 3u) * 0.01);
  ${range(CHAINS, (c) => `var v${c} = V(${type}(id.x + ${c}u));`)}
  for (var i = 0u; i < ${STEPS}u; i++) {
    ${range(CHAINS, (c) => `v${c} = fma(v${c}, a, b);`)}
  }
  let all = ${Array.from({ length: CHAINS }, (_, c) => `v${c}`).join(' + ')};
  if (f32(all.x + all.y + all.z + all.w) == 1234.5) { y[0] = 1u; }
}`;

const matrixCode = ({ M, N, K, result }: MatrixConfig, gpu: Gpu): string => `enable f16;
${matrixDirectives(gpu.device.features)?.join('\n') ?? ''}
alias Left = subgroup_matrix_left<f16, ${K}, ${M}>;
alias Right = subgroup_matrix_right<f16, ${N}, ${K}>;
alias Sum = subgroup_matrix_result<${result}, ${N}, ${M}>;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> made: array<${result}, ${M * N * 4}>;
@compute @workgroup_size(${LANES / 2})
fn main(@builtin(local_invocation_index) lane: u32) {
  let a = Left(0.25h);
  let b = Right(0.125h);
  ${range(CHAINS, (c) => `var s${c} = Sum(${c}.0);`)}
  for (var i = 0u; i < ${STEPS}u; i++) {
    ${range(CHAINS, (c) => `s${c} = subgroupMatrixMultiplyAccumulate(a, b, s${c});`)}
  }
  ${range(CHAINS, (c) => `subgroupMatrixStore<row_major>(&made, 0u, s${c}, ${N}u); workgroupBarrier(); if (f32(made[lane]) == 1234.5) { y[${c}] = 1u; } workgroupBarrier();`)}
}`;

const range = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n  ');

/** Resolves to the measured ceilings; each measurement takes about `seconds`. */
export async function measureCeilings(gpu: Gpu, seconds: number): Promise<Ceilings> {
  const copyGigabytes = await copyBandwidth(gpu, seconds);
  const perGroup = LANES * CHAINS * STEPS * 4 * 2;
  const f32 = await computeSpeed(gpu, fmaCode('f32'), perGroup, seconds);
  const matrix = bestMatrix(gpu.caps.subgroupMatrix);
  const subgroups = LANES / 2 / Math.max(1, gpu.caps.subgroupSize.max);
  return {
    copyGigabytes,
    f32,
    ...(gpu.caps.f16 && { f16: await computeSpeed(gpu, fmaCode('f16'), perGroup, seconds) }),
    ...(matrix && {
      matrix: await computeSpeed(
        gpu,
        matrixCode(matrix, gpu),
        subgroups * CHAINS * STEPS * 2 * matrix.M * matrix.N * matrix.K,
        seconds,
      ),
    }),
  };
}

/** The largest kind of f16 product, with sums in f32 if there is one. */
function bestMatrix(configs: readonly MatrixConfig[]): MatrixConfig | undefined {
  const half = configs.filter(({ component }) => component === 'f16');
  const exact = half.filter(({ result }) => result === 'f32');
  const size = ({ M, N, K }: MatrixConfig): number => M * N * K;
  return (exact.length > 0 ? exact : half).toSorted((a, b) => size(b) - size(a))[0];
}

/** Resolves to TFLOP/s of a shader that does `flops` in a workgroup. */
async function computeSpeed(
  gpu: Gpu,
  code: string,
  flops: number,
  seconds: number,
): Promise<number> {
  const { device, info } = gpu;
  const y = device.createBuffer({ size: 256, usage: GPUUsage.storage });
  const pipeline = await device.createComputePipelineAsync({
    label: 'bench/ceiling',
    layout: 'auto',
    compute: { module: device.createShaderModule({ label: 'bench/ceiling', code }) },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: y } }],
  });
  const groups = info.software ? 16 : 16_384;
  const { ms } = await timeWork(
    gpu,
    (pass) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(groups);
    },
    seconds,
  );
  y.destroy();
  return (groups * flops) / ms / 1e9;
}
