/** The bandwidth that a plain copy kernel reaches: what memory-bound kernels are held against. */
import type { Gpu } from '../src/engine/gpu/device.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';
import { timeWork } from './timing.ts';

const CODE = `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) i: u32) {
  let at = (w.y * n.x + w.x) * 256u + i;
  if (at < arrayLength(&x)) { y[at] = x[at]; }
}`;

/** Well beyond the caches of large cards; a processor's caches are smaller and its time dearer. */
const HARDWARE_BYTES = 2 ** 29;
const SOFTWARE_BYTES = 2 ** 25;

/** Resolves to gigabytes a second, read and written. */
export async function copyBandwidth(gpu: Gpu, seconds: number): Promise<number> {
  const { device, caps, info } = gpu;
  const wanted = info.software ? SOFTWARE_BYTES : HARDWARE_BYTES;
  const bytes = Math.min(wanted, Math.floor(caps.maxBindingBytes / 4096) * 4096);
  const usage = GPUUsage.storage;
  const [x, y] = [
    device.createBuffer({ size: bytes, usage }),
    device.createBuffer({ size: bytes, usage }),
  ];
  const pipeline = await device.createComputePipelineAsync({
    label: 'bench/copy',
    layout: 'auto',
    compute: { module: device.createShaderModule({ label: 'bench/copy', code: CODE }) },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [x, y].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const groups = Math.ceil(bytes / 4096);
  const { ms } = await timeWork(
    gpu,
    (pass) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(Math.min(groups, 32768), Math.ceil(groups / 32768));
    },
    seconds,
  );
  x.destroy();
  y.destroy();
  return (2 * bytes) / ms / 1e6;
}
