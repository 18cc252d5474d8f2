/** What a Wan run holds in JavaScript: on a device on paper, so that sizes may be large and only the host works. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { paperGpu } from '../../src/engine/gpu/paper.ts';
import { PaperExecutor } from '../../src/engine/graph/paper-executor.ts';
import { pixelsOf } from '../../src/engine/image/colours.ts';
import { PipelineCache } from '../../src/engine/kernels/pipelines.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import type { WanSettings } from '../helpers/wan-model.ts';
import { firstFrameWan, PAPER_CAPS, randomModel, twoExpertWan } from '../helpers/wan-model.ts';

const size = { width: 256, height: 128 };
/** Bytes of a frame in f32. */
const FRAME_BYTES = 4 * 3 * size.width * size.height;
const black = { ...size, channels: 3, data: new Float32Array(FRAME_BYTES / 4) };

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in arrays that something still holds. */
function heldBytes(): number {
  collect();
  collect(); // the first one's arrays are freed beside the program
  return process.memoryUsage().arrayBuffers;
}

/** Resolves to the most bytes that were held while a video was made, looked at whenever something is read back. */
async function mostHeld(settings: WanSettings, frames: number, last: boolean): Promise<number> {
  const gpu = paperGpu(PAPER_CAPS);
  const source = randomModel(settings);
  const before = heldBytes();
  let most = 0;
  const create = gpu.device.createBuffer.bind(gpu.device);
  gpu.device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    buffer.mapAsync = async () => {
      most = Math.max(most, heldBytes() - before);
      return undefined;
    };
    return buffer;
  };
  const run = generate(
    {
      ...{ gpu, pipelines: new PipelineCache(gpu.device) },
      ...{ executor: new PaperExecutor(gpu), precision: 'f32' },
    },
    source,
    {
      ...{ ...size, frames, prompt: [7, 1], steps: 2, shift: 3, guidance: 1, image: black },
      ...(last && { lastImage: black }),
    },
  );
  let made = 0;
  for await (const { data } of run) made += pixelsOf(data).length;
  expect(made).toBe(frames * 4 * size.width * size.height);
  return most;
}

describe('arrays of a Wan run', () => {
  it.each([
    ['from a first and a last picture beside the latent', twoExpertWan, true],
    ['from a picture in the place of the first frame', firstFrameWan, false],
  ])(
    '%s hold some frames and the latents, however long the video is',
    async (_, settings, last) => {
      const short = await mostHeld(settings, 9, last);
      const long = await mostHeld(settings, 41, last);
      expect(short).toBeGreaterThan(4 * FRAME_BYTES); // a chunk: what is counted is there at all
      expect(short).toBeLessThan(20 * FRAME_BYTES);
      expect(long - short).toBeLessThan((41 - 9) * 0.2 * FRAME_BYTES);
    },
    60_000,
  );
});
