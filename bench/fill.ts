/** Values that look random and are known on both sides: filled in on the device, computed again here for the checks. */
import type { DeviceTensor, Dtype, Shape } from '../src/engine/gpu/tensor.ts';
import { pitchOf, rowsOf, sizeOf } from '../src/engine/gpu/tensor.ts';
import { GPUUsage } from '../src/engine/gpu/usage.ts';

/** What an operand holds: multiples of scale / 512 in −scale … scale, which f16 holds exactly for powers of two. */
export type Fill = {
  readonly seed: number;
  readonly scale: number;
  /** Added to every value. */
  readonly shift?: number;
};

/** Returns value `i` of a tensor filled by `fill`, i the row-major index in its logical shape. */
export function valueAt({ seed, scale, shift = 0 }: Fill, i: number): number {
  let h = Math.imul(i ^ Math.imul(seed, 0x27d4eb2f), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (((h >>> 22) - 512) / 512) * scale + shift;
}

/** Axes that a permuted tensor may have. */
const AXES = 5;

const CODE = (half: boolean): string => `
struct Params { lengths: array<vec4u, 2>, strides: array<vec4u, 2>, seed: u32, width: u32, pitch: u32, groups: u32, scale: f32, shift: f32 }
@group(0) @binding(0) var<storage, read_write> y: array<${half ? 'vec2u' : 'vec4f'}>;
@group(0) @binding(1) var<uniform> p: Params;
fn value(e: u32) -> f32 {
  let column = e % p.pitch;
  if (column >= p.width) { return 0.0; }
  var rest = (e / p.pitch) * p.width + column;
  var logical = 0u;
  for (var k = 1u; k <= ${AXES}u; k++) {
    let axis = ${AXES}u - k;
    let length = p.lengths[axis >> 2u][axis & 3u];
    logical += (rest % length) * p.strides[axis >> 2u][axis & 3u];
    rest /= length;
  }
  var h = (logical ^ (p.seed * 0x27d4eb2fu)) * 0x9e3779b1u;
  h = (h ^ (h >> 15u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return (f32(h >> 22u) - 512.0) / 512.0 * p.scale + p.shift;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (w.y * n.x + w.x) * 256u + lane;
  if (i >= p.groups) { return; }
  let e = 4u * i;
  let v = vec4f(value(e), value(e + 1u), value(e + 2u), value(e + 3u));
  y[i] = ${half ? 'vec2u(pack2x16float(v.xy), pack2x16float(v.zw))' : 'v'};
}`;

/** Fills tensors of one device. */
export class Filler {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<Dtype, GPUComputePipeline>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * Fills `tensor`, whose axes are those of `shape` in the order given: axis a of the memory is axis order[a] of `shape`.
   * Shapes of other ranks hold the same values in the same order of memory. At most five axes; f32 or f16.
   */
  write(
    tensor: DeviceTensor,
    fill: Fill,
    shape: Shape = tensor.shape,
    order: readonly number[] = shape.map((_, axis) => axis),
  ): void {
    const device = this.#device;
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    const pad = Array.from({ length: AXES - shape.length }, () => 1);
    const lengths = [...pad, ...order.map((axis) => shape[axis] ?? 1)];
    const steps = [...pad.map(() => 0), ...order.map((axis) => strides[axis] ?? 0)];
    const groups = (rowsOf(tensor.shape) * pitchOf(tensor.shape)) / 4;
    const block = new DataView(new ArrayBuffer(96));
    lengths.forEach((length, i) => block.setUint32(4 * i, length, true));
    steps.forEach((step, i) => block.setUint32(32 + 4 * i, step, true));
    const numbers = [fill.seed, tensor.shape.at(-1) ?? 1, pitchOf(tensor.shape), groups];
    numbers.forEach((n, i) => block.setUint32(64 + 4 * i, n, true));
    block.setFloat32(80, fill.scale, true);
    block.setFloat32(84, fill.shift ?? 0, true);
    const uniform = device.createBuffer({ size: 96, usage: GPUUsage.uniform | GPUUsage.copyDst });
    device.queue.writeBuffer(uniform, 0, block.buffer);
    const pipeline = this.#pipeline(tensor.dtype);
    const { buffer, offset } = tensor;
    const bytes = groups * (tensor.dtype === 'f16' ? 8 : 16);
    const bindGroup = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { buffer, offset, size: bytes } },
        { binding: 1, resource: { buffer: uniform } },
      ],
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    const workgroups = Math.ceil(groups / 256);
    pass.dispatchWorkgroups(Math.min(workgroups, 32768), Math.ceil(workgroups / 32768));
    pass.end();
    device.queue.submit([encoder.finish()]);
    uniform.destroy();
  }

  #pipeline(dtype: Dtype): GPUComputePipeline {
    const known = this.#pipelines.get(dtype);
    if (known) return known;
    const module = this.#device.createShaderModule({
      label: 'bench/fill',
      code: CODE(dtype === 'f16'),
    });
    const pipeline = this.#device.createComputePipeline({
      label: 'bench/fill',
      layout: 'auto',
      compute: { module },
    });
    this.#pipelines.set(dtype, pipeline);
    return pipeline;
  }
}
