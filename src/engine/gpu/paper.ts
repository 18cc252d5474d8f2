/**
 * A device on paper: it hands out buffers that have a size and nothing else, and runs nothing. What is built and
 * recorded against it takes as many bytes as on a real device, which is how memory is foretold before any is taken.
 */
import type { Capabilities, Gpu } from './device.ts';

/** Bytes by what they are for, from the labels that buffers have. */
export type BytesByUse = {
  readonly weights: number;
  /** Activations of recorded graphs. */
  readonly activations: number;
  /** Everything else: sampler state, feature caches, tables, uniforms, read-back. */
  readonly other: number;
};

export type PaperGpu = Gpu & {
  /** The most bytes that lived at once since `restart`, and what they were for. */
  readonly peak: BytesByUse & { readonly total: number };
  /** Bytes of the largest buffer since `restart`. */
  readonly largest: number;
  /** Makes the peak what lives now. */
  restart(): void;
};

type Use = keyof BytesByUse;

const useOf = (label: string): Use =>
  label.startsWith('weights ') ? 'weights' : label.startsWith('arena ') ? 'activations' : 'other';

/** Limits of the specification that recording reads beside the capabilities. */
const LIMITS = { maxComputeWorkgroupsPerDimension: 65_535, minUniformBufferOffsetAlignment: 256 };

/** Returns a device on paper that can do what `caps` says. */
export function paperGpu(caps: Capabilities): PaperGpu {
  const live = { weights: 0, activations: 0, other: 0 };
  const total = (): number => live.weights + live.activations + live.other;
  let peak = { ...live, total: 0 };
  let largest = 0;
  const createBuffer = ({ size, label = '' }: GPUBufferDescriptor): object => {
    const use = useOf(label);
    live[use] += size;
    largest = Math.max(largest, size);
    if (total() > peak.total) peak = { ...live, total: total() };
    let isLive = true;
    return {
      ...{ size, label, mapAsync: async () => undefined, unmap: nothing },
      getMappedRange: () => new ArrayBuffer(size),
      destroy: () => {
        if (isLive) live[use] -= size;
        isLive = false;
      },
    };
  };
  const { maxBindingBytes, maxBufferBytes } = caps;
  const device = {
    createBuffer,
    limits: {
      ...LIMITS,
      maxStorageBufferBindingSize: maxBindingBytes,
      maxBufferSize: maxBufferBytes,
    },
    features: featuresOf(caps),
    queue: { writeBuffer: nothing, submit: nothing, onSubmittedWorkDone: async () => undefined },
    createCommandEncoder: () => ({
      beginComputePass: () => PASS,
      ...{ copyBufferToBuffer: nothing, clearBuffer: nothing },
      finish: () => ({}),
    }),
    ...{ createBindGroup: make, createBindGroupLayout: make, createPipelineLayout: make },
    ...{ createShaderModule: make, createComputePipelineAsync: async () => ({}) },
    ...{ pushErrorScope: nothing, popErrorScope: async () => null, destroy: nothing },
  };
  return {
    device: device as unknown as GPUDevice,
    caps,
    info: {
      vendor: '',
      architecture: '',
      device: 'paper',
      description: '',
      software: caps.software,
    },
    lost: new Promise(() => undefined),
    destroy: nothing,
    get peak() {
      return peak;
    },
    get largest() {
      return largest;
    },
    restart() {
      peak = { ...live, total: total() };
      largest = 0;
    },
  };
}

/** What shaders may be written with, as the device that `caps` is from would list it. */
const featuresOf = ({ f16, subgroups, subgroupMatrix }: Capabilities): Set<string> =>
  new Set([
    ...(f16 ? ['shader-f16'] : []),
    ...(subgroups ? ['subgroups'] : []),
    ...(subgroupMatrix.length > 0 ? ['subgroup-matrix'] : []),
  ]);

const nothing = (): undefined => undefined;
const make = (): object => ({});
const PASS = {
  setPipeline: nothing,
  setBindGroup: nothing,
  dispatchWorkgroups: nothing,
  end: nothing,
};
