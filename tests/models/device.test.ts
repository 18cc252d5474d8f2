import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/engine/gpu/device.ts';
import { testGpus } from '../helpers/devices.ts';
import { openGpu } from '../helpers/gpu.ts';

describe.each(testGpus())('the device on $name', ({ name, gpu }) => {
  it('counts half precision and subgroups only where their numbers were right', async () => {
    const { caps, info } = await gpu();
    expect(caps.f16).toBe(name === 'lavapipe');
    expect(caps.subgroups).toBe(true);
    expect(info.software).toBe(true);
  });

  it('leaves out what it is told to leave out', async () => {
    const { gpu: entry } = await openGpu(name);
    const bare = await openDevice({ gpu: entry, without: ['shader-f16', 'subgroups'] });
    expect(bare.caps.f16 || bare.caps.subgroups).toBe(false);
    bare.destroy();
  });
});
