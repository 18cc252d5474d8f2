import { describe, expect, it } from 'vitest';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { matmulWeight } from '../../src/engine/graph/ops/linear.ts';
import { record } from '../../src/engine/graph/record.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { createTensor } from '../../src/engine/gpu/tensor.ts';
import { PAPER_CAPS } from '../helpers/wan-model.ts';

describe('a device on paper', () => {
  it('records what a device with subgroup matrices would run', async () => {
    const subgroupSize = { min: 32, max: 32 };
    const matrix = { component: 'f16', result: 'f32', M: 16, N: 16, K: 16 } as const;
    const caps = { ...PAPER_CAPS, software: false, f16: true, subgroups: true, subgroupSize };
    const gpu = paperGpu({ ...caps, subgroupMatrix: [matrix], workgroupBytes: 49_152 });
    const graph = new Graph({ precision: 'f16' });
    const x = graph.constant('x', new Float32Array(512 * 256), [512, 256], 'f16');
    const w = graph.weight('w', [512, 256]);
    graph.result('y', matmulWeight(x, w));
    const recording = await record(graph, {
      ...{ gpu, pipelines: new PipelineCache(gpu.device) },
      weights: () => createTensor(gpu.device, 'w', [512, 256], 'f16'),
    });
    expect(recording.dispatches.map(({ kernel }) => kernel)).toContain('matmul-matrix');
  });
});
