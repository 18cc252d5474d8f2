import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { add } from '../../src/engine/graph/ops/elementwise.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import type { WanUsual } from '../../src/engine/models/wan/animate.ts';
import { animateWan } from '../../src/engine/models/wan/animate.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { PAPER_CAPS, randomModel, textWan } from '../helpers/wan-model.ts';

/** A device whose memory ends after `count` successful allocations. */
function smallGpu(count: number) {
  const gpu = paperGpu(PAPER_CAPS);
  let left = count;
  gpu.device.popErrorScope = () =>
    Promise.resolve(left-- > 0 ? null : { message: 'no memory', __brand: 'GPUError' });
  return gpu;
}

describe('a device without memory', () => {
  it('ends a Wan run with what to ask for instead, at whatever stage', async () => {
    const tokenizer = bytesSource(
      readFileSync(new URL('../fixtures/tokenizers/umt5.json', import.meta.url)),
    );
    const usual: WanUsual = {
      ...{ picture: 'unknown', sideMultiple: 16, frameMultiple: 4, fps: 16, frames: 81 },
      ...{ steps: 2, guidance: 1, shift: 3, solver: 'unipc' },
    };
    const files = { parts: randomModel(textWan), tokenizer, usual };
    const [width, height] = [640, 352];
    const picture = { width, height, data: new Uint8ClampedArray(4 * width * height) };
    const stages = new Set<string>();
    for (const allocations of [0, 1, 2, 3, 5, 7]) {
      const gpu = smallGpu(allocations);
      const pipelines = new PipelineCache(gpu.device);
      const engine = { gpu, pipelines, executor: new Executor(gpu), precision: 'f16' } as const;
      const wishes = { prompt: 'a wren', frames: 5, steps: 2, seed: 0 };
      const run = animateWan(engine, files, picture, wishes).next();
      const error: unknown = await run.catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        code: 'gpu/memory',
        message: expect.stringContaining('or 512x288 with 5 frames'),
      });
      stages.add((error as { stage: string }).stage);
    }
    expect([...stages]).toEqual(expect.arrayContaining(['weights 0', 'activations']));
  });

  it('leaves nothing behind of a recording that failed', async () => {
    const gpu = smallGpu(0);
    const graph = new Graph({ precision: 'f32' });
    const x = graph.constant('x', new Float32Array(64), [16, 4]);
    graph.result('y', add(x, x));
    const pipelines = new PipelineCache(gpu.device);
    const weights = () => {
      throw new Error('no weights');
    };
    await expect(record(graph, { gpu, pipelines, weights })).rejects.toMatchObject({
      code: 'gpu/memory',
    });
    gpu.restart();
    expect(gpu.peak.total).toBe(0);
  });
});
