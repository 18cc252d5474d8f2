import { describe, expect, it } from 'vitest';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import type { Precision } from '../../src/engine/graph/graph.ts';
import type { WeightsChoice } from '../../src/engine/weights/policy.ts';
import { policyFor } from '../../src/engine/weights/policy.ts';
import { forecastWan } from '../../src/engine/models/wan/forecast.ts';
import type { WanRequest } from '../../src/engine/models/wan/pipeline-request.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';
import type { WanSettings } from '../helpers/wan-model.ts';
import {
  firstFrameWan,
  randomModel,
  seeingWan,
  textWan,
  twoExpertWan,
} from '../helpers/wan-model.ts';

const kinds: Readonly<Record<string, { settings: WanSettings; image: boolean }>> = {
  text: { settings: textWan, image: false },
  'a picture seen through CLIP': { settings: seeingWan, image: true },
  'a picture and two experts': { settings: twoExpertWan, image: true },
  'a first frame': { settings: firstFrameWan, image: true },
};
/** How weights are stored, and whether they stay on the device. */
const ways: Readonly<
  Record<string, { precision: Precision; weights?: WeightsChoice; stream?: boolean }>
> = {
  f32: { precision: 'f32' },
  f16: { precision: 'f16' },
  int8: { precision: 'f16', weights: 'int8' },
  w8a8: { precision: 'f16', weights: 'w8a8' },
  int4: { precision: 'f16', weights: 'int4' },
  'int4, streamed': { precision: 'f16', weights: 'int4', stream: true },
};

const both = 'a picture and two experts';
/** Each kind in f16, and each other way once where most happens: compiling is what takes time. */
const cases: readonly (readonly [kind: string, way: string])[] = [
  ...Object.keys(kinds).map((kind) => [kind, 'f16'] as const),
  ...['f32', 'int8', 'int4', 'int4, streamed'].map((way) => [both, way] as const),
  ['text', 'f32'],
  ['text', 'w8a8'],
];

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'a forecast of memory on $name',
  (open) => {
    it.each(cases)(
      'from %s in %s covers what is measured, with less than a sixth to spare',
      async (kind, way) => {
        const { precision, weights, stream = false } = ways[way] ?? { precision: 'f32' };
        const { settings, image } = kinds[kind] ?? { settings: textWan, image: false };
        const gpu = await open.gpu();
        const size = { width: 64, height: 32, frames: 13 };
        const request: WanRequest = {
          ...{ ...size, prompt: [7, 3, 4, 1], negativePrompt: [3, 1] },
          ...{ steps: 3, shift: 3, guidance: 4 },
          ...(image && {
            image: { width: 64, height: 32, channels: 3, data: new Float32Array(64 * 32 * 3) },
          }),
        };
        const { stages, peakBytes } = await forecastWan(
          settings,
          { ...size, guided: true, image, tokens: 4, steps: 3, weights, stream },
          precision,
          gpu.caps,
        );
        const meter = meterBuffers(gpu.device);
        const before = meter.liveBytes;
        meter.resetPeak();
        const pipelines = pipelinesOf(gpu);
        const engine: Engine = {
          gpu,
          pipelines,
          executor: new Executor(gpu),
          precision,
          stream,
          quantise: policyFor(weights),
        };
        const peaks = new Map<string, number>();
        const onProgress = ({ stage }: { stage: string }): void => {
          peaks.set(stage, Math.max(peaks.get(stage) ?? 0, meter.liveBytes - before));
        };
        let frames = 0;
        for await (const _ of generate(engine, randomModel(settings), request, { onProgress }))
          frames++;
        expect(frames).toBe(13);
        const measured = meter.peakBytes - before;
        expect(peakBytes).toBeGreaterThanOrEqual(measured);
        expect(peakBytes).toBeLessThanOrEqual(1.15 * measured);
        for (const { stage, peakBytes: foretold } of stages) {
          expect(foretold, stage).toBeGreaterThanOrEqual(peaks.get(stage) ?? Infinity);
        }
      },
    );
  },
);
