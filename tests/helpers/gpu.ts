/** Software GPU adapters in Node: Dawn on lavapipe (has f16) and on SwiftShader (has none), both in one process. */
import { create } from 'webgpu';
import { findDriver } from '../../scripts/lib/find.mjs';

export type AdapterName = 'lavapipe' | 'swiftshader';

/** Part of the name that Dawn sees, for its `adapter=` option. */
const DAWN_NAMES: Readonly<Record<AdapterName, string>> = {
  lavapipe: 'llvmpipe',
  swiftshader: 'SwiftShader',
};

const drivers = (['lavapipe', 'swiftshader'] as const).map((name) => ({
  name,
  manifest: findDriver(name),
}));

/** The adapters of this run: both, or those that ZOETROPE_ADAPTERS names, separated by commas. */
export const adapters: readonly { readonly name: AdapterName }[] = chosenAdapters();

// The Vulkan loader reads this when the first instance is made.
process.env['VK_DRIVER_FILES'] = drivers.flatMap(({ manifest }) => manifest ?? []).join(':');

// Of a test's time on lavapipe nearly all is compiling: not optimised, for narrow vectors, it takes two fifths of that.
process.env['GALLIVM_PERF'] ??= 'nopt';
process.env['LP_NATIVE_VECTOR_WIDTH'] ??= '128';

/** Dawn frees its instance when the object is collected, also under a live device: hold on to it. */
const instances = new Map<AdapterName, GPU>();

/**
 * Returns Dawn's entry point with nothing but the named adapter behind it, and that adapter.
 * Whoever opens a device on it destroys it. Throws when the driver is not installed.
 */
export async function openGpu(name: AdapterName): Promise<{ gpu: GPU; adapter: GPUAdapter }> {
  if (!drivers.some((driver) => driver.name === name && driver.manifest !== undefined)) {
    throw new Error(`the ${name} driver is not installed: run "npm run setup"`);
  }
  const gpu = instances.get(name) ?? create([`adapter=${DAWN_NAMES[name]}`]);
  instances.set(name, gpu);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(`Dawn offers no adapter on ${name}`);
  return { gpu, adapter };
}

function chosenAdapters(): { readonly name: AdapterName }[] {
  const wanted = process.env['ZOETROPE_ADAPTERS']?.split(',') ?? Object.keys(DAWN_NAMES);
  const unknown = wanted.filter((name) => !(name in DAWN_NAMES));
  if (unknown.length > 0) {
    throw new Error(`ZOETROPE_ADAPTERS: got ${unknown.join()}, knows lavapipe and swiftshader`);
  }
  return drivers.filter(({ name }) => wanted.includes(name)).map(({ name }) => ({ name }));
}
