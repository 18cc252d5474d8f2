/** Opens a GPU device: asks for the features and limits that are there, and proves by numbers what it will rely on. */
import { EngineError } from './errors.ts';
import { halfArithmeticWorks, subgroupsWork } from './self-test.ts';
import type { MatrixConfig } from './subgroup-matrix.ts';
import { listedMatrices, MATRIX_FEATURES, matrixWorks } from './subgroup-matrix.ts';

/** What the device can do, as found out when it was opened. */
export type Capabilities = {
  /** The adapter runs on the processor. */
  readonly software: boolean;
  /** `shader-f16` is there and its self-test gave the right numbers. */
  readonly f16: boolean;
  /** Subgroups are there, with their numbers, and the self-test gave the right sums. */
  readonly subgroups: boolean;
  /** Lanes of a subgroup, fewest and most; 1 and 1 without subgroups. */
  readonly subgroupSize: { readonly min: number; readonly max: number };
  /** Kinds of matrix product that subgroups make; each gave the right numbers when the device was opened. */
  readonly subgroupMatrix: readonly MatrixConfig[];
  readonly timestamps: boolean;
  /** Workgroup memory that one shader may declare. */
  readonly workgroupBytes: number;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
};

export type DeviceLost = { readonly reason: string; readonly message: string };

/** An open device with what is known of it. */
export type Gpu = {
  readonly device: GPUDevice;
  readonly caps: Capabilities;
  readonly info: {
    vendor: string;
    architecture: string;
    device: string;
    description: string;
    software: boolean;
  };
  /** Resolves once, when the device is gone; never rejects. */
  readonly lost: Promise<DeviceLost>;
  destroy(): void;
};

export type OpenOptions = {
  /** The API entry: `navigator.gpu` in a page or worker, Dawn's object in Node. */
  readonly gpu: GPU | undefined;
  /** Leave features out on purpose: tests and the bench compare tiers on one device. */
  readonly without?: readonly (
    'shader-f16' | 'subgroups' | 'subgroup-matrix' | 'timestamp-query'
  )[];
};

const WANTED: readonly string[] = [
  'shader-f16',
  'subgroups',
  'timestamp-query',
  ...MATRIX_FEATURES,
];

/** Limits that the engine plans with; each is requested at the adapter's own value, never assumed. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/**
 * Returns a device on the best adapter, with every capability checked.
 * Throws `gpu/unsupported` (no WebGPU), `gpu/no-adapter`, `gpu/device` (the adapter refused a device).
 */
export async function openDevice(options: OpenOptions): Promise<Gpu> {
  if (!options.gpu) {
    throw new EngineError(
      'gpu/unsupported',
      'WebGPU — not found here, needs a browser or runtime that has it',
    );
  }
  const adapter = await options.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new EngineError(
      'gpu/no-adapter',
      'adapter — none offered, needs a usable GPU — check that hardware acceleration is on',
    );
  }
  const left: readonly string[] = options.without ?? [];
  const without = left.includes('subgroup-matrix') ? [...left, ...MATRIX_FEATURES] : left;
  const features = WANTED.filter((name) => adapter.features.has(name) && !without.includes(name));
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredFeatures: features as GPUFeatureName[],
      requiredLimits,
    });
  } catch (cause) {
    throw new EngineError(
      'gpu/device',
      `device — the adapter refused one with ${features.join(', ') || 'no features'}`,
      { cause },
    );
  }
  const { vendor, architecture, device: name, description } = adapter.info;
  const software =
    adapter.info.isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe/i.test(`${name} ${description} ${architecture}`);
  const caps = await capabilities(device, adapter.info, software);
  return {
    device,
    caps,
    info: { vendor, architecture, device: name, description, software },
    lost: device.lost.then(({ reason, message }) => ({ reason, message })),
    destroy: () => device.destroy(),
  };
}

async function capabilities(
  device: GPUDevice,
  info: GPUAdapterInfo,
  software: boolean,
): Promise<Capabilities> {
  const { limits } = device;
  const f16 = device.features.has('shader-f16') && (await halfArithmeticWorks(device));
  const subgroups = device.features.has('subgroups') && (await subgroupsWork(device));
  const { subgroupMinSize: min = 1, subgroupMaxSize: max = 1 } = info;
  return {
    software,
    f16,
    subgroups,
    subgroupSize: subgroups ? { min, max } : { min: 1, max: 1 },
    subgroupMatrix: subgroups ? await workingMatrices(device, info, f16) : [],
    timestamps: device.features.has('timestamp-query'),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    maxBufferBytes: limits.maxBufferSize,
  };
}

async function workingMatrices(
  device: GPUDevice,
  info: GPUAdapterInfo,
  f16: boolean,
): Promise<MatrixConfig[]> {
  if (!MATRIX_FEATURES.some((name) => (device.features as ReadonlySet<string>).has(name)))
    return [];
  const listed = listedMatrices(info).filter(({ component }) => f16 || component !== 'f16');
  const works = await Promise.all(
    listed.map((config) => matrixWorks(device, config, info.subgroupMaxSize ?? 32)),
  );
  return listed.filter((_, i) => works[i]);
}
