/** The devices that kernel and model tests run on, each opened once a process. */
import { afterAll } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { openDevice } from '../../src/engine/gpu/device.ts';
import { adapters, openGpu } from './gpu.ts';
import type { AdapterName } from './gpu.ts';

const opened = new Map<string, Promise<Gpu>>();

// A process that ends with a live device can crash on the way out, after its tests have passed.
afterAll(async () => {
  for (const gpu of await Promise.all(opened.values())) gpu.destroy();
});

/** Returns every adapter of this test run, with a function that opens its device on first use. */
export function testGpus(): { readonly name: AdapterName; gpu(): Promise<Gpu> }[] {
  return adapters.map(({ name }) => ({
    name,
    gpu: () => {
      const known = opened.get(name) ?? openGpu(name).then(({ gpu }) => openDevice({ gpu }));
      opened.set(name, known);
      return known;
    },
  }));
}
