/** The devices that kernel and model tests run on, each opened once a process. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { openDevice } from '../../src/engine/gpu/device.ts';
import { adapters, openGpu } from './gpu.ts';

const opened = new Map<string, Promise<Gpu>>();

/** Returns every adapter of this test run, with a function that opens its device on first use. */
export function testGpus(): { readonly name: string; gpu(): Promise<Gpu> }[] {
  return adapters.map(({ name }) => ({
    name,
    gpu: () => {
      const known = opened.get(name) ?? openGpu(name).then(({ gpu }) => openDevice({ gpu }));
      opened.set(name, known);
      return known;
    },
  }));
}
