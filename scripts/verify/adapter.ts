/** The GPU that a command runs on: a software adapter by name, or the machine's own. */
import { create } from 'webgpu';
import type { Gpu, OpenOptions } from '../../src/engine/gpu/device.ts';
import { openDevice } from '../../src/engine/gpu/device.ts';
import { findDriver } from '../lib/find.mjs';

export const ADAPTERS = ['lavapipe', 'swiftshader', 'default'] as const;
export type AdapterChoice = (typeof ADAPTERS)[number];

const DAWN_NAMES = { lavapipe: 'llvmpipe', swiftshader: 'SwiftShader' } as const;

/** Dawn frees its instance when the object is collected, also under a live device: hold on to it. */
let instance: GPU | undefined;

/** Returns lavapipe where it is installed, else the machine's default. */
export const usualAdapter = (): AdapterChoice => (findDriver('lavapipe') ? 'lavapipe' : 'default');

/** Opens the adapter; one a process. Throws when the driver is not installed or offers nothing. */
export async function openAdapter(
  choice: AdapterChoice,
  without: OpenOptions['without'] = [],
): Promise<Gpu> {
  if (choice === 'default') {
    // Dawn refuses f16 on NVIDIA's Linux driver and subgroup matrices unless told; openDevice checks their numbers.
    instance ??= create(['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia']);
  } else {
    const driver = findDriver(choice);
    if (!driver) throw new Error(`the ${choice} driver is not installed: run "npm run setup"`);
    process.env['VK_DRIVER_FILES'] = driver; // read by the Vulkan loader when the instance is made
    instance ??= create([`adapter=${DAWN_NAMES[choice]}`]);
  }
  return openDevice({ gpu: instance, without });
}
