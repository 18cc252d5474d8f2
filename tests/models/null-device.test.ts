/** A whole Wan step as devices with matrix units and without would run it: every pipeline, binding and dispatch is valid. */
import { create } from 'webgpu';
import { describe, expect, it } from 'vitest';
import type { Capabilities, Gpu } from '../../src/engine/gpu/device.ts';
import { createTensor } from '../../src/engine/gpu/tensor.ts';
import { checkpointWeights, Graph } from '../../src/engine/graph/graph.ts';
import type { Precision } from '../../src/engine/graph/graph.ts';
import { fuse } from '../../src/engine/graph/passes/fuse.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { parseWanConfig } from '../../src/engine/models/wan/config.ts';
import { wanContext } from '../../src/engine/models/wan/context.ts';
import { wanTransformer } from '../../src/engine/models/wan/dit.ts';
import { readVaeConfig } from '../../src/engine/models/wan/vae-config.ts';
import { vaeDecoder } from '../../src/engine/models/wan/vae-decoder.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { WeightSet } from '../../src/engine/weights/upload.ts';

// Checks what it is given and computes nothing.
const entry = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const FEATURES = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];

const plain: Capabilities = {
  ...{ software: false, f16: true, subgroups: true, subgroupSize: { min: 32, max: 32 } },
  ...{ subgroupMatrix: [], timestamps: false, workgroupBytes: 16384 },
  ...{ maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 32 - 4 },
};
const matrices: Capabilities = {
  ...plain,
  subgroupMatrix: [{ component: 'f16', result: 'f32', M: 16, N: 16, K: 16 }],
};

const zeros = (length: number) => Array.from({ length }, () => 0);

/** Two blocks at 256 tokens, guided by text and picture. */
function transformer(graph: Graph, device: GPUDevice): void {
  const config = parseWanConfig({
    ...{ patch_size: [1, 2, 2], num_attention_heads: 2, attention_head_dim: 128 },
    ...{ in_channels: 16, out_channels: 16, text_dim: 64, freq_dim: 64, ffn_dim: 512 },
    ...{ num_layers: 2, image_dim: 64 },
  });
  const root = new Scope(graph);
  const held = (name: string, shape: readonly number[]) =>
    graph.external(createTensor(device, name, shape));
  graph.result(
    'velocity',
    wanTransformer(config)(root)({
      latents: [held('latent', [4, 16, 16, 16])],
      time: held('time', [2, 64]),
      rowsPerGroup: 64,
      context: wanContext(config)(root)({
        text: held('text', [77, 64]),
        image: held('image', [65, 64]),
      }),
    }),
  );
}

function decoder(graph: Graph, device: GPUDevice): void {
  const config = readVaeConfig({
    ...{ base_dim: 32, z_dim: 16, latents_mean: zeros(16), latents_std: zeros(16) },
  });
  const history = (_: unknown, key: string, shape: readonly number[]) =>
    graph.external(createTensor(device, key, shape, graph.compute));
  const latent = graph.external(createTensor(device, 'latent', [1, 8, 8, 16]));
  const stream = { part: 'next', history } as const;
  graph.result('y', vaeDecoder(config, stream, () => undefined)(new Scope(graph))(latent));
}

async function kernelsOf(
  caps: Capabilities,
  precision: Precision,
  build: (graph: Graph, device: GPUDevice) => void,
): Promise<Set<string>> {
  const adapter = await entry.requestAdapter();
  if (!adapter) throw new Error('Dawn offers no null adapter');
  const device = await adapter.requestDevice({ requiredFeatures: FEATURES as GPUFeatureName[] });
  const info = { vendor: '', architecture: '', device: '', description: '', software: false };
  const lost = new Promise<never>(() => undefined);
  const gpu: Gpu = { device, caps, info, lost, destroy: () => device.destroy() };
  const graph = new Graph({ precision });
  build(graph, device);
  fuse(graph, caps);
  const stored = checkpointWeights(graph);
  const shapeOf = (key: string) => {
    const source = stored.get(key)?.source;
    return source?.kind === 'weight' ? source.stored : [];
  };
  const weights = new WeightSet(gpu, {
    info: (key) => ({ shape: shapeOf(key) }),
    read: (key) => Promise.resolve(new Float32Array(shapeOf(key).reduce((a, b) => a * b, 1))),
  });
  await weights.load(graph);
  device.pushErrorScope('validation');
  const recording = await record(graph, {
    ...{ gpu, pipelines: new PipelineCache(device) },
    weights: (key) => weights.get(key),
  });
  await new Executor(gpu).replay(recording);
  expect((await device.popErrorScope())?.message).toBeUndefined();
  const kernels = new Set(recording.dispatches.map(({ kernel }) => kernel));
  gpu.destroy();
  return kernels;
}

describe('on a device on which nothing is computed', () => {
  it.each([
    ['with matrix units', matrices, 'f16', ['matmul-matrix']],
    ['without', plain, 'f16', ['matmul-tiled', 'attention']],
    ['without, in f32', plain, 'f32', ['matmul-tiled', 'attention']],
  ] as const)('a Wan step is valid %s', async (_, caps, precision, used) => {
    const kernels = await kernelsOf(caps, precision, transformer);
    for (const name of used) expect([...kernels]).toContain(name);
  });

  it.each([
    ['with matrix units', matrices, 'f16', 'conv-matrix'],
    ['without', plain, 'f32', 'conv-tiled'],
  ] as const)('a decoder is valid %s', async (_, caps, precision, used) => {
    expect([...(await kernelsOf(caps, precision, decoder))]).toContain(used);
  });
});
