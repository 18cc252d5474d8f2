/** Runs half-precision and subgroup arithmetic on the device and compares it with numbers that are exact. */
import { runShader } from './run-shader.ts';

const HALVES = `enable f16;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  let a = vec4<f16>(f16(i), 0.5h, -2.0h, 1.0h);
  let b = vec4<f16>(2.0h, f16(i), 0.25h, 3.0h);
  y[i] = pack2x16float(vec2f(f32(dot(a, b)), f32(fma(a.x, 0.125h, a.z))));
}`;

const SUBGROUPS = `enable subgroups;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> partial: array<u32, 64>;
@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) i: u32,
  @builtin(subgroup_id) index: u32,
  @builtin(num_subgroups) count: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let sum = subgroupAdd(i * i);
  if (lane == 0u) { partial[index] = sum; }
  workgroupBarrier();
  var total = 0u;
  for (var s = 0u; s < count; s++) { total += partial[s]; }
  y[i] = total + i;
}`;

/** Resolves to whether 64 lanes of f16 dot product and fma came out right; compile errors count as wrong. */
export async function halfArithmeticWorks(device: GPUDevice): Promise<boolean> {
  const got = await runShader(device, 'self-test/f16', HALVES, 64);
  return (
    got?.every((word, i) => word === packHalves(2 * i + 0.5 * i + 2.5, 0.125 * i - 2)) ?? false
  );
}

/** Resolves to whether subgroups of a workgroup of 64 add up to the sum of all lanes; compile errors count as wrong. */
export async function subgroupsWork(device: GPUDevice): Promise<boolean> {
  const squares = (63 * 64 * 127) / 6;
  const got = await runShader(device, 'self-test/subgroups', SUBGROUPS, 64);
  return got?.every((word, i) => word === squares + i) ?? false;
}

/** Bits of two halves, for values that f16 holds exactly (multiples of 1/8 below 256). */
function packHalves(low: number, high: number): number {
  return (halfBits(low) | (halfBits(high) << 16)) >>> 0;
}

function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const mantissa = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | mantissa;
}
