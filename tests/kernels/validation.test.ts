/** Every variant of every kernel passes Dawn's validation, also those that no software adapter can run. */
import { create } from 'webgpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Capabilities } from '../../src/engine/gpu/device.ts';
import { matrixDirectives, matrixTestCode } from '../../src/engine/gpu/subgroup-matrix.ts';
import type { MatrixConfig } from '../../src/engine/gpu/subgroup-matrix.ts';
import { caseSituation, tiersOf, tunings } from '../../src/engine/kernels/case.ts';
import { boundTensors, shaderCode } from '../../src/engine/kernels/declare.ts';
import type { Variant } from '../../src/engine/kernels/declare.ts';
import { kernels } from '../../src/engine/kernels/index.ts';
import type { Kernel } from '../../src/engine/kernels/kernel.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';

// The null backend checks shaders and pipelines and computes nothing.
const entry = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const FEATURES = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];

/** What the lists of subgroup matrices say: NVIDIA, Apple, Intel. */
const NVIDIA: readonly MatrixConfig[] = [
  { component: 'f16', result: 'f16', M: 16, N: 16, K: 16 },
  { component: 'f16', result: 'f32', M: 16, N: 16, K: 16 },
  { component: 'f16', result: 'f32', M: 16, N: 8, K: 16 },
  { component: 'f16', result: 'f32', M: 16, N: 8, K: 8 },
  { component: 'i8', result: 'i32', M: 16, N: 16, K: 32 },
  { component: 'u8', result: 'u32', M: 16, N: 16, K: 32 },
];
const APPLE: readonly MatrixConfig[] = [
  { component: 'f32', result: 'f32', M: 8, N: 8, K: 8 },
  { component: 'f16', result: 'f16', M: 8, N: 8, K: 8 },
];
const INTEL: readonly MatrixConfig[] = [
  { component: 'f16', result: 'f32', M: 8, N: 16, K: 16 },
  { component: 'f16', result: 'f16', M: 8, N: 16, K: 16 },
];

/** The null adapter's largest subgroup; a workgroup that uses matrices must be a multiple of it. */
const LANES = 128;

const FULL: Omit<Capabilities, 'software' | 'subgroupMatrix'> = {
  f16: true,
  subgroups: true,
  subgroupSize: { min: 32, max: 32 },
  timestamps: true,
  workgroupBytes: 48 * 1024,
  maxBindingBytes: 2 ** 31 - 4,
  maxBufferBytes: 2 ** 32 - 4,
};

/** Devices whose kernels are looked at: each kind of matrix, and a processor. */
const DEVICES: readonly Capabilities[] = [
  { ...FULL, software: false, subgroupMatrix: NVIDIA },
  { ...FULL, software: false, subgroupMatrix: APPLE },
  { ...FULL, software: false, subgroupMatrix: INTEL },
  { ...FULL, software: true, subgroupMatrix: [] },
];

describe("Dawn's validation", () => {
  let device: GPUDevice;
  let pipelines: PipelineCache;

  beforeAll(async () => {
    const adapter = await entry.requestAdapter();
    if (!adapter) throw new Error('Dawn offers no null adapter');
    device = await adapter.requestDevice({ requiredFeatures: FEATURES as GPUFeatureName[] });
    pipelines = new PipelineCache(device);
  });
  afterAll(() => device.destroy());

  /** The null adapter has little workgroup memory: what needs more is compiled, but no pipeline is made of it. */
  const accepts = async (variant: Variant) => {
    const { name, features = [] } = variant.kernel;
    const isLarge = features.includes('subgroup-matrix') || name === 'attention-tiled';
    if (!isLarge) return pipelines.get(variant);
    const code = shaderCode(variant, new Set(FEATURES));
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    expect(messages.filter(({ type }) => type === 'error').map(({ message }) => message)).toEqual(
      [],
    );
  };

  it.each(kernels.map((kernel) => [kernel.name, kernel] as const))(
    'accepts every variant of %s',
    async (_, kernel) => {
      const made = DEVICES.flatMap((caps) => variantsOf(kernel, caps));
      expect(made.length).toBeGreaterThan(0);
      await Promise.all(made.map((variant) => accepts(variant)));
    },
  );

  it.each([...NVIDIA, ...APPLE, ...INTEL])(
    'accepts the self-test of $component to $result, $M x $N x $K',
    async (config) => {
      const code = matrixTestCode(config, matrixDirectives(device.features) ?? [], LANES);
      device.pushErrorScope('validation');
      const module = device.createShaderModule({ code });
      await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
      expect((await device.popErrorScope())?.message).toBeUndefined();
    },
  );
});

const variantsOf = (kernel: Kernel, caps: Capabilities) =>
  tiersOf(caps).flatMap((tier) =>
    [...kernel.cases, ...kernel.bench].flatMap((test) => {
      const situation = caseSituation(kernel, test, tier, caps);
      const bound = boundTensors(kernel, situation.dtypes, situation.over);
      const { arithmetic } = tier;
      return tunings(kernel, situation, test.values).map((values) => ({
        ...{ kernel, bound, arithmetic, values },
      }));
    }),
  );
