/** onnxruntime-web on WebGPU: a model of a single operator, operands and result in GPU buffers of its own device. */
import * as ort from 'onnxruntime-web/jspi';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url';
import { GPUUsage } from '../../src/engine/gpu/usage.ts';
import type { Contender, ElementType } from '../contender.ts';
import { elementAt, readElements } from '../contender.ts';
import type { OperandBytes } from '../operands.ts';
import type { Operator } from '../operators/operator.ts';
import type { OnnxConstant } from './onnx-model.ts';
import { onnxModel } from './onnx-model.ts';
import type { Peer } from './peer.ts';

ort.env.wasm.wasmPaths = { wasm };
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const NAMES = { f32: 'float32', f16: 'float16' } as const;
const USAGE = GPUUsage.storage | GPUUsage.copySrc | GPUUsage.copyDst;

async function prepare(
  operator: Operator,
  type: ElementType,
  bytes: OperandBytes,
): Promise<Contender> {
  const form = operator.onnx;
  if (!form) throw new Error(`${operator.name} has no ONNX form`);
  const layoutOf = (name: string) => {
    const layout = form.layouts[name];
    if (!layout) throw new Error(`${operator.name} has no layout for ${name}`);
    return layout;
  };
  const names = Object.keys(operator.operands);
  const isWeight = (name: string): boolean => operator.operands[name]?.weight === true;
  const weights = { ...operator.operands, ...form.weights };
  const constants: OnnxConstant[] = [...(form.constants?.(type) ?? [])];
  for (const [name, operand] of Object.entries(weights).filter(([, { weight }]) => weight)) {
    const values = new Uint8Array(await bytes(operand, layoutOf(name), type));
    constants.push({ name, shape: layoutOf(name).shape, type, bytes: values });
  }
  const inputs = names
    .filter((name) => !isWeight(name))
    .map((name) => ({ name, shape: layoutOf(name).shape }));
  const output = { name: 'y', shape: layoutOf('y').shape };
  const model = onnxModel({ type, inputs, outputs: [output], constants, nodes: form.nodes });
  const session = await ort.InferenceSession.create(model, { executionProviders: ['webgpu'] });
  const device = await ort.env.webgpu.device;
  const buffers: GPUBuffer[] = [];
  const held = (dims: readonly number[]) => {
    const size = dims.reduce((a, b) => a * b, 1) * (type === 'f16' ? 2 : 4);
    const buffer = device.createBuffer({ size: Math.ceil(size / 16) * 16, usage: USAGE });
    buffers.push(buffer);
    const tensor = ort.Tensor.fromGpuBuffer(buffer, { dataType: NAMES[type], dims });
    return { buffer, tensor };
  };
  const feeds: Record<string, ort.Tensor> = {};
  for (const { name, shape } of inputs) {
    const { buffer, tensor } = held(shape);
    const operand = operator.operands[name];
    if (operand) device.queue.writeBuffer(buffer, 0, await bytes(operand, layoutOf(name), type));
    feeds[name] = tensor;
  }
  const y = held(output.shape);
  return {
    library: 'onnxruntime-web',
    type,
    async run(repeats) {
      for (let i = 0; i < repeats; i++) await session.run(feeds, { y: y.tensor });
      await device.queue.onSubmittedWorkDone();
    },
    read(places) {
      const elements = places.map((place) => elementAt(place, operator.result, layoutOf('y')));
      return readElements(device, { buffer: y.buffer, offset: 0 }, elements, type);
    },
    destroy() {
      void session.release();
      for (const buffer of buffers) buffer.destroy();
    },
  };
}

export const onnxPeer: Peer = {
  library: 'onnxruntime-web',
  version: ort.env.versions.web ?? '',
  types: ['f32', 'f16'],
  runs: ({ onnx }) => onnx !== undefined,
  prepare,
};
