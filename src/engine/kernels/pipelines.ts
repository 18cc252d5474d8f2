/** Compiles kernel variants, each once, all in parallel. */
import { EngineError } from '../gpu/errors.ts';
import type { Variant } from './declare.ts';
import { bindingsOf, shaderCode } from './declare.ts';
import type { Tuning } from './tunable.ts';

export type Compiled = {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
};

/** The pipelines of one device, by the text that made them. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<Compiled>>();
  /** Who knows which variant of a call is fastest here; without it each kernel's own choice is taken. */
  tuning: Tuning | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#compiled.size;
  }

  /** Resolves to the pipeline of a variant; throws `shader/compile` with the compiler's lines. */
  get(variant: Variant): Promise<Compiled> {
    const key = variantKey(variant);
    const known = this.#compiled.get(key);
    if (known) return known;
    const compiled = compile(this.#device, variant);
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

/** Returns a text that tells variants apart on one device. */
function variantKey({ kernel, bound, arithmetic, values }: Variant): string {
  const tensors = bound
    .map(({ name, dtype, under }) => `${name}:${dtype}${under ? ` under ${under}` : ''}`)
    .join(',');
  return `${kernel.name} ${arithmetic} ${tensors} ${Object.entries(values)
    .map(([k, v]) => `${k}=${v}`)
    .join(',')}`;
}

async function compile(device: GPUDevice, variant: Variant): Promise<Compiled> {
  const { kernel } = variant;
  const bindings = bindingsOf(variant.bound);
  const label = variantKey(variant);
  const code = shaderCode(variant, device.features);
  const layout = device.createBindGroupLayout({
    label,
    entries: [
      ...bindings.map(({ role }, binding): GPUBindGroupLayoutEntry => ({
        binding,
        visibility: 4,
        buffer: { type: role === 'weight' ? 'read-only-storage' : 'storage' },
      })),
      { binding: bindings.length, visibility: 4, buffer: { type: 'uniform' } },
    ],
  });
  const module = device.createShaderModule({ label, code });
  try {
    const pipeline = await device.createComputePipelineAsync({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    return { pipeline, layout };
  } catch (cause) {
    throw new EngineError('shader/compile', await compilerMessages(module, code, label), {
      stage: kernel.name,
      cause,
    });
  }
}

async function compilerMessages(
  module: GPUShaderModule,
  code: string,
  label: string,
): Promise<string> {
  const lines = code.split('\n');
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter(({ type }) => type === 'error');
  const shown = errors
    .slice(0, 5)
    .map((m) => `${m.lineNum}:${m.linePos} ${m.message}\n    ${lines[m.lineNum - 1] ?? ''}`);
  return `shader ${label} — does not compile\n${shown.join('\n') || '(the pipeline was refused: see cause)'}`;
}
