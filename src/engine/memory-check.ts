/** Whether a run's memory is there, tried out before anything is loaded: browsers tell no figure. */
import type { Gpu } from './gpu/device.ts';
import { EngineError } from './gpu/errors.ts';
import { GPUUsage } from './gpu/usage.ts';
import type { RunPlan } from './run.ts';

const PIECE_BYTES = 2 ** 28;

/**
 * Resolves when the device can hold what `plan` needs at once. Rejects with `gpu/limit` where a single buffer would be larger
 * than the device makes, `gpu/memory` where it has no room for all. What is taken for the trial is freed at once.
 */
export async function checkMemory({ device, caps }: Gpu, plan: RunPlan): Promise<void> {
  const { peakBytes, largestBuffer } = plan;
  const most = caps.maxBufferBytes;
  if (largestBuffer > most) {
    throw new EngineError(
      'gpu/limit',
      `run — got a device whose buffers have ${most} bytes at most, needs one of ${largestBuffer} — use a smaller preset`,
      { stage: 'check', have: most, need: largestBuffer },
    );
  }
  const taken: GPUBuffer[] = [];
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  for (let left = peakBytes; left > 0; left -= PIECE_BYTES) {
    const size = Math.ceil(Math.min(left, PIECE_BYTES, most) / 4) * 4;
    taken.push(device.createBuffer({ label: 'memory check', size, usage: GPUUsage.storage }));
  }
  const faults = [await device.popErrorScope(), await device.popErrorScope()];
  for (const buffer of taken) buffer.destroy();
  if (faults.every((fault) => fault === null)) return;
  throw new EngineError(
    'gpu/memory',
    `run — got a device without room for ${peakBytes} bytes — close other tabs or use a smaller preset`,
    { stage: 'check', need: peakBytes },
  );
}
