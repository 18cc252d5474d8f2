import { describe, expect, it } from 'vitest';
import { createTensor, readBytes, writeTensor } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { advance } from '../../src/engine/graph/ops/scheduler.ts';
import { blendKeys, mend, warp } from '../../src/engine/graph/ops/warp.ts';
import { record } from '../../src/engine/graph/record.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { blendKeys as blendKernel } from '../../src/engine/kernels/blend-keys.ts';
import { mendedBytes } from '../../src/engine/kernels/mend.ts';
import { blocksOf, warp as warpKernel } from '../../src/engine/kernels/warp.ts';
import { frameTable } from '../../src/engine/models/motion/field.ts';
import { testGpus } from '../helpers/devices.ts';
import { given, pipelinesOf } from '../helpers/graph.ts';

const [H, W, h, w, KEYS] = [18, 26, 3, 4, 4];
const MOMENTS = [0, 0.3, 1];
const wave = (i: number): number => Math.sin(12.9898 * (i + 1));

const picture = Float32Array.from(
  { length: H * W * 3 },
  (_, i) => Math.round(127 * (1 + wave(i))) / 255,
);
const keys = Float32Array.from({ length: (KEYS + 1) * h * w * 4 }, (_, i) => {
  const [lane, key] = [i % 4, Math.floor(i / (4 * h * w))];
  if (key === 0 || lane === 3) return lane === 2 ? 1 : 0;
  return lane === 2 ? 0.6 + 0.5 * wave(i) : 0.05 * wave(i);
});
const delta = Float32Array.from(
  { length: blocksOf(H) * blocksOf(W) * 12 },
  (_, i) => 0.4 * wave(i),
);
const table = frameTable(KEYS, MOMENTS, false);

/** The bytes of a frame [H, W, 3] by the kernels' references, one after the other. */
function expected(step: number): Uint8Array {
  const blendDims = { N: MOMENTS.length, K: KEYS + 1, cells: h * w };
  const at = { keys, frames: table, step: Float32Array.of(step) };
  const field = blendKernel.cpu(at, blendDims)['y'] ?? new Float32Array();
  const warped = warpKernel.cpu({ field, picture }, { H, W, h, w, H0: H, W0: W })['y'];
  return mendedBytes({ warped: warped ?? new Float32Array(), delta }, { H, W });
}

describe.each(testGpus())('frames on $name', (open) => {
  it('one recording gives every frame, byte by byte, the first being the picture', async () => {
    const gpu = await open.gpu();
    const { device } = gpu;
    const graph = new Graph({ precision: 'f32' });
    const step = createTensor(device, 'step', [1], 'u32');
    writeTensor(device, step, [0]);
    const counter = graph.external(step);
    const fields = given(gpu, graph, 'keys', keys, [KEYS + 1, h, w, 4]);
    const frames = given(gpu, graph, 'frames', table, [MOMENTS.length, 12]);
    const field = blendKeys(fields, frames, counter);
    const size = { height: H, width: W };
    const warped = warp(field, given(gpu, graph, 'picture', picture, [H, W, 3]), size);
    const change = given(gpu, graph, 'delta', delta, [blocksOf(H), blocksOf(W), 12]);
    graph.result('frame', mend(warped, change, size));
    advance(counter);
    const recording = await record(graph, {
      gpu,
      pipelines: pipelinesOf(gpu),
      weights: (key) => {
        throw new Error(`no weight ${key}`);
      },
    });
    const executor = new Executor(gpu);
    for (const index of MOMENTS.keys()) {
      await executor.replay(recording);
      const bytes = new Uint8Array(await readBytes(device, recording.result('frame')));
      const want = expected(index);
      for (let pixel = 0; pixel < H * W; pixel++) {
        expect(bytes[4 * pixel + 3]).toBe(255);
        for (let c = 0; c < 3; c++) {
          const got = bytes[4 * pixel + c] ?? NaN;
          if (index === 0) expect(got).toBe(Math.round(255 * (picture[3 * pixel + c] ?? NaN)));
          else expect(Math.abs(got - (want[3 * pixel + c] ?? NaN))).toBeLessThanOrEqual(1);
        }
      }
    }
    recording.destroy();
  });
});
