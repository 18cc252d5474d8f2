/** Encodes recordings without the executor's slices, for times of exactly what was asked for. */
import type { Recording } from '../src/engine/graph/record.ts';

/** Encodes a recording several times into one pass, as a step of a model follows another. */
export function submitRepeats(device: GPUDevice, recording: Recording, repeats: number): void {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < repeats; i++) {
    for (const { pipeline, bindGroup, grid } of recording.dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...grid);
    }
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
}
