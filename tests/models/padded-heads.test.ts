/** Heads that are no multiple of four wide, in attention over all rows, in groups and along frames. */
import { expect, it } from 'vitest';
import { createTensor, readTensor, writeTensor } from '../../src/engine/gpu/tensor.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { attention } from '../../src/engine/graph/ops/attention.ts';
import { frameAttention } from '../../src/engine/graph/ops/frame-attention.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { attention as attentionKernel, attentionDims } from '../../src/engine/kernels/attention.ts';
import { frameAttention as frameKernel } from '../../src/engine/kernels/frame-attention.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { testGpus } from '../helpers/devices.ts';

const D = 5;
const HEADS = 3;
const [GROUPS, ROWS] = [2, 6];
const SHAPE = [GROUPS, ROWS, HEADS * D];

const filled = (phase: number): Float32Array =>
  Float32Array.from({ length: GROUPS * ROWS * HEADS * D }, (_, i) => Math.sin(i * 0.37 + phase));

const inputs = { q: filled(0), k: filled(1), v: filled(2) };

const CASES = [
  {
    name: 'over all rows',
    op: (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, { heads: HEADS }),
    want: attentionKernel.cpu(inputs, attentionDims(HEADS, D, GROUPS * ROWS, GROUPS * ROWS)),
  },
  {
    name: 'in groups',
    op: (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, { heads: HEADS, groups: GROUPS }),
    want: attentionKernel.cpu(inputs, { ...attentionDims(HEADS, D, ROWS, ROWS), groups: GROUPS }),
  },
  {
    name: 'along frames',
    op: (q: Tensor, k: Tensor, v: Tensor) => frameAttention(q, k, v, { heads: HEADS }),
    want: frameKernel.cpu(inputs, {
      ...{ F: GROUPS, N: ROWS, frameStep: ROWS, placeStep: 1 },
      ...{ heads: HEADS, D, scale: 1 / Math.sqrt(D) },
    }),
  },
];

for (const open of testGpus()) {
  it.each(CASES)(`attend $name with heads of five on ${open.name}`, async ({ op, want }) => {
    const gpu = await open.gpu();
    const graph = new Graph({ precision: 'f32' });
    const tensors = Object.entries(inputs).map(([name, values]) => {
      const tensor = createTensor(gpu.device, name, SHAPE);
      writeTensor(gpu.device, tensor, values);
      return tensor;
    });
    const [q, k, v] = tensors.map((tensor) => graph.external(tensor));
    if (!q || !k || !v) throw new Error('three inputs');
    const y = op(q, k, v);
    expect(y.shape).toEqual(SHAPE);
    graph.result('y', y);
    const pipelines = new PipelineCache(gpu.device);
    const weights = (): never => {
      throw new Error('no weights');
    };
    const recording = await record(graph, { gpu, pipelines, weights });
    await new Executor(gpu).replay(recording);
    const got = await readTensor(gpu.device, recording.result('y'));
    const worst = Math.max(...got.map((value, i) => Math.abs(value - (want['y']?.[i] ?? NaN))));
    expect(worst).toBeLessThan(1e-5);
    recording.destroy();
    for (const { buffer } of tensors) buffer.destroy();
  });
}
