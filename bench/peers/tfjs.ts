/** TensorFlow.js on WebGPU: f32 alone. */
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import type { Contender } from '../contender.ts';
import { elementAt } from '../contender.ts';
import type { OperandBytes } from '../operands.ts';
import type { Operator } from '../operators/operator.ts';
import type { Peer } from './peer.ts';

/** Kept to itself by the library: its commands wait in an encoder until something is read. */
type Pending = { readonly commandEncoder: GPUCommandEncoder | null };

async function prepare(operator: Operator, _: 'f32', bytes: OperandBytes): Promise<Contender> {
  await tf.setBackend('webgpu');
  await tf.ready();
  const form = operator.tfjs;
  if (!form) throw new Error(`${operator.name} has no form for TensorFlow.js`);
  const tensors: Record<string, tf.Tensor> = {};
  for (const [name, operand] of Object.entries(operator.operands)) {
    const layout = form.layouts[name];
    if (!layout) throw new Error(`${operator.name} has no layout for ${name}`);
    tensors[name] = tf.tensor(new Float32Array(await bytes(operand, layout, 'f32')), [
      ...layout.shape,
    ]);
  }
  const backend = tf.backend();
  if (!(backend instanceof WebGPUBackend)) throw new Error('TensorFlow.js offers no WebGPU');
  let y = form.run(tf, tensors);
  return {
    library: 'tfjs',
    type: 'f32',
    async run(repeats) {
      for (let i = 0; i < repeats; i++) {
        y.dispose();
        y = form.run(tf, tensors);
      }
      backend.endComputePassEncoder();
      if ((backend as unknown as Pending).commandEncoder) backend.submitQueue();
      await backend.queue.onSubmittedWorkDone();
    },
    async read(places) {
      const values = await y.data();
      const layout = form.layouts['y'];
      if (!layout) throw new Error(`${operator.name} has no layout for y`);
      return places.map((place) => Number(values[elementAt(place, operator.result, layout)]));
    },
    destroy() {
      tf.dispose([y, tensors]);
    },
  };
}

export const tfjsPeer: Peer = {
  library: 'tfjs',
  version: tf.version_core,
  types: ['f32'],
  runs: ({ tfjs }) => tfjs !== undefined,
  prepare: (operator, _, bytes) => prepare(operator, 'f32', bytes),
};
