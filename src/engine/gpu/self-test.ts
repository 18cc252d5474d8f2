/** Runs half-precision and subgroup arithmetic on the device and compares it with numbers that are exact. */

import { GPUUsage } from './usage.ts';

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
  const got = await runLanes(device, 'self-test/f16', HALVES);
  return (
    got?.every((word, i) => word === packHalves(2 * i + 0.5 * i + 2.5, 0.125 * i - 2)) ?? false
  );
}

/** Resolves to whether subgroups of a workgroup of 64 add up to the sum of all lanes; compile errors count as wrong. */
export async function subgroupsWork(device: GPUDevice): Promise<boolean> {
  const squares = (63 * 64 * 127) / 6;
  const got = await runLanes(device, 'self-test/subgroups', SUBGROUPS);
  return got?.every((word, i) => word === squares + i) ?? false;
}

/** Resolves to what 64 lanes wrote, one word each; undefined when the shader is refused. */
async function runLanes(
  device: GPUDevice,
  label: string,
  code: string,
): Promise<Uint32Array | undefined> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code });
  const pipeline = device.createComputePipeline({ label, layout: 'auto', compute: { module } });
  const out = device.createBuffer({
    label: `${label}/y`,
    size: 256,
    usage: GPUUsage.storage | GPUUsage.copySrc,
  });
  const read = device.createBuffer({
    label: `${label}/read`,
    size: 256,
    usage: GPUUsage.mapRead | GPUUsage.copyDst,
  });
  const encoder = device.createCommandEncoder({ label });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer: out } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, read, 0, 256);
  device.queue.submit([encoder.finish()]);
  if (await device.popErrorScope()) return undefined;
  await read.mapAsync(1);
  const got = new Uint32Array(read.getMappedRange().slice(0));
  read.destroy();
  out.destroy();
  return got;
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
