/** How long a dispatch takes on the device: repeated in one pass, by timestamps where there are any. */
import type { Gpu } from '../gpu/device.ts';
import { GPUUsage } from '../gpu/usage.ts';

/** A dispatch that can be encoded any number of times. */
export type Encode = (pass: GPUComputePassEncoder) => void;

export type DeviceClock = {
  /** Resolves to the milliseconds that `repeats` of a dispatch take together. */
  time(encode: Encode, repeats: number): Promise<number>;
  destroy(): void;
};

/** Returns a clock of the device. */
export function deviceClock({ device, caps }: Gpu): DeviceClock {
  const run = (encode: Encode, repeats: number, pass: GPUComputePassEncoder): void => {
    for (let i = 0; i < repeats; i++) encode(pass);
    pass.end();
  };
  if (!caps.timestamps) {
    return {
      async time(encode, repeats) {
        const encoder = device.createCommandEncoder({ label: 'clock' });
        run(encode, repeats, encoder.beginComputePass());
        const commands = encoder.finish();
        const begin = performance.now();
        device.queue.submit([commands]);
        await device.queue.onSubmittedWorkDone();
        return performance.now() - begin;
      },
      destroy: () => undefined,
    };
  }
  const querySet = device.createQuerySet({ label: 'clock', type: 'timestamp', count: 2 });
  const [resolved, read] = [
    device.createBuffer({ size: 16, usage: GPUUsage.queryResolve | GPUUsage.copySrc }),
    device.createBuffer({ size: 16, usage: GPUUsage.mapRead | GPUUsage.copyDst }),
  ];
  return {
    async time(encode, repeats) {
      const encoder = device.createCommandEncoder({ label: 'clock' });
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
      run(encode, repeats, encoder.beginComputePass({ timestampWrites }));
      encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
      device.queue.submit([encoder.finish()]);
      await read.mapAsync(1);
      const [begin = 0n, end = 0n] = new BigUint64Array(read.getMappedRange().slice(0));
      read.unmap();
      return Number(end - begin) / 1e6;
    },
    destroy() {
      querySet.destroy();
      resolved.destroy();
      read.destroy();
    },
  };
}
