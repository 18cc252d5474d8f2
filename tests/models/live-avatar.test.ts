import { describe, expect, it } from 'vitest';
import type { Sound } from '../../src/engine/audio/sound.ts';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { Profiler } from '../../src/engine/graph/profile.ts';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import type { AvatarFrame } from '../../src/engine/models/live-avatar/frames.ts';
import { speak } from '../../src/engine/models/live-avatar/pipeline.ts';
import type { AvatarRequest } from '../../src/engine/models/live-avatar/request.ts';
import type { ComponentName, ComponentSource } from '../../src/engine/models/wan/components.ts';
import type { Engine } from '../../src/engine/nn/run-once.ts';
import { chromeTrace } from '../../src/engine/profile/trace.ts';
import { openModelFolder } from '../../src/engine/weights/model-folder.ts';
import { avatarFiles, filesIn } from '../helpers/avatar-model.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';

const PARTS: readonly ComponentName[] = ['transformer', 'vae', 'text_encoder', 'audio_encoder'];
const randomModel = (): Promise<ComponentSource> => openModelFolder(filesIn(avatarFiles()), PARTS);

const engineOf = (gpu: Gpu): Engine => ({
  ...{ gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu), precision: 'f32' },
});

const soundOf = (seconds: number, rate = 16_000, hertz = 300): Sound => ({
  sampleRate: rate,
  channels: [
    Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => {
      const t = i / rate;
      return Math.sin(2 * Math.PI * hertz * t) * Math.sin(9 * t);
    }),
  ],
});

const image = {
  ...{ width: 70, height: 80, channels: 3 },
  data: Float32Array.from({ length: 70 * 80 * 3 }, (_, i) => (seeded('picture', i) + 1) / 2),
};

const request: AvatarRequest = {
  ...{ prompt: [7, 3, 1], image, size: '64*64', sample_steps: 3, infer_frames: 12 },
  sound: soundOf(0.7),
};

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'an avatar on $name',
  (open) => {
    type Run = {
      readonly frames: AvatarFrame[];
      readonly bytes: number[];
      /** Bytes that really live in buffers when each frame comes. */
      readonly live: number[];
      readonly events: string[];
    };

    async function run(change: Partial<AvatarRequest>, signal?: AbortSignal): Promise<Run> {
      const gpu = await open.gpu();
      const got: Run = { frames: [], bytes: [], live: [], events: [] };
      const frames = speak(
        engineOf(gpu),
        await randomModel(),
        { ...request, ...change },
        {
          ...(signal && { signal }),
          onBlock: (_, bytes) => got.bytes.push(bytes),
          onProgress: ({ stage, block = -1, done }) => {
            const event = `${stage} ${block} ${done === 1 ? 'end' : 'on'}`;
            if (got.events.at(-1) !== event) got.events.push(event);
          },
        },
      );
      const meter = meterBuffers(gpu.device);
      const before = meter.liveBytes;
      for await (const frame of frames) {
        got.frames.push(frame);
        got.live.push(meter.liveBytes);
      }
      expect(meter.liveBytes, 'bytes left behind').toBe(before);
      return got;
    }

    it('speaks as long as the sound lasts, block after block, in memory that does not grow', async () => {
      const { frames, bytes, live, events } = await run({ sound: soundOf(3.6), infer_frames: 24 });
      expect(frames.map(({ index }) => index)).toEqual(Array.from({ length: 60 }, (_, i) => i));
      for (const { width, height, data } of frames)
        expect([width, height, data.length]).toEqual([64, 64, 64 * 64 * 4]);
      expect(frames[0]?.data).toEqual(frames[3]?.data);
      expect(frames[3]?.data).not.toEqual(frames[4]?.data);
      expect(bytes).toHaveLength(5);
      expect(new Set(bytes.slice(1)).size).toBe(1); // two slots are full from the second block on
      const least = (block: number): number => Math.min(...live.slice(12 * block, 12 * block + 12));
      expect(least(4)).toBe(least(1)); // frames of block 1 come while block 2 is denoised
      // Block 3 is denoised while block 2 is decoded.
      const at = (event: string): number => events.indexOf(event);
      expect(at('denoise 3 on')).toBeGreaterThan(0);
      expect(at('denoise 3 on')).toBeLessThan(at('decode 2 end'));
    });

    it('denoises a block among the decoding of the one before, as a profile shows', async () => {
      const gpu = await open.gpu();
      const profiler = new Profiler(gpu);
      const engine = engineOf(gpu);
      engine.executor.profiler = profiler;
      const given = { ...request, sound: soundOf(2.1), infer_frames: 36 };
      for await (const { index } of speak(engine, await randomModel(), given)) void index;
      const { traceEvents } = chromeTrace(profiler.spans);
      const bars = traceEvents.filter(({ cat }) => cat === 'stage').map(({ name }) => name);
      // One after another, three blocks would be decoded in three goes, each behind its own sound and denoising.
      expect(bars.filter((name) => name === 'decode').length).toBeGreaterThan(3);
      expect(bars.join(' ')).toMatch(/decode (sound )?(decode )?denoise decode/);
    });

    it('follows its sound, however it loads its parts, and remembers in integers where it is told to', async () => {
      const hashes = async (change: Partial<AvatarRequest>): Promise<string> => {
        const { frames } = await run(change);
        return frames.map(({ data }) => data.reduce((h, x) => (h * 31 + x) % 1_000_003, 7)).join();
      };
      const first = await hashes({});
      expect(await hashes({ offload_model: false })).toBe(first);
      const changes: Partial<AvatarRequest>[] = [
        { sound: soundOf(0.7, 16_000, 500) },
        { kv_cache: 'int8' },
        { sample_steps: 4 },
        { skip_last_step: true },
      ];
      const seen = new Set([first]);
      for (const change of changes) seen.add(await hashes(change));
      expect(seen.size).toBe(changes.length + 1);
    });

    it('takes its past from the first clip where it is told to', async () => {
      const sound = soundOf(1.4);
      const still = await run({ sound });
      const online = await run({ sound, enable_online_decode: true });
      expect(online.frames).toHaveLength(24);
      expect(online.frames.slice(0, 12)).toEqual(still.frames.slice(0, 12));
      expect(online.frames.slice(12)).not.toEqual(still.frames.slice(12));
      const one = await run({ sound, num_clip: 1 });
      expect(one.frames).toEqual(still.frames.slice(0, 12));
    });

    it('stops when it is cancelled', async () => {
      const controller = new AbortController();
      const cancelled = run({}, controller.signal);
      controller.abort();
      await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    });

    it.each([
      [
        'an empty sound',
        { sound: { channels: [new Float32Array()], sampleRate: 8000 } },
        'audio/empty',
      ],
      ['a sound shorter than a frame', { sound: soundOf(0.001) }, 'audio/short'],
      [
        'a picture that no size fits',
        { image: { ...image, width: 8400, height: 1, data: new Float32Array(25_200) } },
        'avatar/size',
      ],
      ['a picture with a fourth channel', { image: { ...image, channels: 4 } }, 'avatar/image'],
      ['a memory of another kind', { kv_cache: 'int4' as 'int8' }, 'avatar/kv_cache'],
      ['two steps', { sample_steps: 2 }, 'avatar/sample_steps'],
      ['clips of 80 frames', { infer_frames: 80 }, 'avatar/infer_frames'],
      ['a size that is none', { size: 'large' }, 'avatar/size'],
      ['guidance', { sample_guide_scale: 4.5 }, 'avatar/sample_guide_scale'],
      ['no prompt at all', { prompt: [] }, 'avatar/prompt'],
      ['no clip', { num_clip: 0 }, 'avatar/num_clip'],
    ] as const)('refuses %s', async (_, change, code) => {
      await expect(run(change)).rejects.toMatchObject({ code });
    });
  },
);
