/** Runs one workgroup of a small shader and reads what it wrote: the ground on which self-tests stand. */
import { GPUUsage } from './usage.ts';

/**
 * Resolves to the `words` that the shader wrote to binding 0; `input`, if given, is bound read-only at 1.
 * Undefined when the shader or its pipeline is refused.
 */
export async function runShader(
  device: GPUDevice,
  label: string,
  code: string,
  words: number,
  input?: Uint32Array<ArrayBuffer>,
): Promise<Uint32Array | undefined> {
  const size = 4 * words;
  const { storage, copySrc, copyDst, mapRead } = GPUUsage;
  const buffer = (role: string, bytes: number, usage: number): GPUBuffer =>
    device.createBuffer({ label: `${label}/${role}`, size: bytes, usage });
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code });
  const pipeline = device.createComputePipeline({ label, layout: 'auto', compute: { module } });
  const out = buffer('y', size, storage | copySrc);
  const read = buffer('read', size, mapRead | copyDst);
  const given = input && buffer('x', input.byteLength, storage | copyDst);
  if (given && input) device.queue.writeBuffer(given, 0, input);
  const encoder = device.createCommandEncoder({ label });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [out, given].flatMap((bound, binding) =>
    bound ? [{ binding, resource: { buffer: bound } }] : [],
  );
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, read, 0, size);
  device.queue.submit([encoder.finish()]);
  try {
    if (await device.popErrorScope()) return undefined;
    await read.mapAsync(1);
    return new Uint32Array(read.getMappedRange().slice(0));
  } finally {
    for (const used of [out, read, given]) used?.destroy();
  }
}
