/** Runs half-precision arithmetic on the device and compares it with numbers that are exact in f16. */

import { GPUUsage } from './usage.ts';

const CODE = `enable f16;
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) {
  let a = vec4<f16>(f16(i), 0.5h, -2.0h, 1.0h);
  let b = vec4<f16>(2.0h, f16(i), 0.25h, 3.0h);
  y[i] = pack2x16float(vec2f(f32(dot(a, b)), f32(fma(a.x, 0.125h, a.z))));
}`;

/** Resolves to whether 64 lanes of f16 dot product and fma came out right; compile errors count as wrong. */
export async function halfArithmeticWorks(device: GPUDevice): Promise<boolean> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: 'self-test/f16', code: CODE });
  const pipeline = device.createComputePipeline({
    label: 'self-test/f16',
    layout: 'auto',
    compute: { module },
  });
  const out = device.createBuffer({
    label: 'self-test/f16/y',
    size: 256,
    usage: GPUUsage.storage | GPUUsage.copySrc,
  });
  const read = device.createBuffer({
    label: 'self-test/f16/read',
    size: 256,
    usage: GPUUsage.mapRead | GPUUsage.copyDst,
  });
  const encoder = device.createCommandEncoder({ label: 'self-test/f16' });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: out } }],
    }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, read, 0, 256);
  device.queue.submit([encoder.finish()]);
  if (await device.popErrorScope()) return false;
  await read.mapAsync(1);
  const got = new Uint32Array(read.getMappedRange().slice(0));
  read.destroy();
  out.destroy();
  return got.every((word, i) => word === packHalves(2 * i + 0.5 * i + 2.5, 0.125 * i - 2));
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
