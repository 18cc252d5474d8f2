import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { checkMemory } from '../../src/engine/memory-check.ts';
import { run } from '../../src/engine/pipeline.ts';
import type { ProgressEvent } from '../../src/engine/progress.ts';
import type { RunContext, RunFrame, RunRequest } from '../../src/engine/run.ts';
import { openAvatar, runnableAvatar } from '../../src/engine/run-avatar.ts';
import { resolveSettings } from '../../src/engine/settings.ts';
import { SOUND_TRACK_RATE } from '../../src/engine/video/sound-track.ts';
import { avatarFiles, filesIn } from '../helpers/avatar-model.ts';
import { testGpus } from '../helpers/devices.ts';

const model = async () => runnableAvatar(await openAvatar(filesIn(avatarFiles())));

const soundOf = (seconds: number) => ({
  sampleRate: 16_000,
  channels: [Float32Array.from({ length: seconds * 16_000 }, (_, i) => Math.sin(i / 7))],
});

const picture = {
  ...{ width: 64, height: 64 },
  data: Uint8ClampedArray.from({ length: 4 * 64 * 64 }, (_, i) => (i % 4 === 3 ? 255 : i % 251)),
};

const request: RunRequest = {
  ...{ picture, sound: soundOf(2) },
  settings: resolveSettings({ prompt: 'a person speaks', steps: 3, fps: 16, precision: 'f32' }),
};

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'a run of the avatar on $name',
  (open) => {
    const made = async (
      change: Partial<RunRequest>,
      context: (gpu: Gpu) => Partial<RunContext>,
    ) => {
      const gpu = await open.gpu();
      const events: ProgressEvent[] = [];
      const onProgress = (event: ProgressEvent): void => void events.push(event);
      const each = run(
        await model(),
        { ...request, ...change },
        { gpu, onProgress, ...context(gpu) },
      );
      const frames: RunFrame[] = [];
      for (let next = await each.next(); ; next = await each.next()) {
        if (next.done) return { frames, events, report: next.value };
        frames.push(next.value);
      }
    };

    it('gives every frame its sound, tells how far it is, and what it did', async () => {
      const expected = ['sound', 'text', 'picture', 'load', 'denoise'].map((name) => ({
        ...{ name, ms: 100 },
        steps: name === 'denoise' ? 3 : 1,
      }));
      const { frames, events, report } = await made({}, () => ({ expected }));
      expect(frames.map(({ index, count }) => [index, count])).toEqual(
        Array.from({ length: 36 }, (_, i) => [i, 36]),
      );
      for (const { sound } of frames) expect(sound).toHaveLength(SOUND_TRACK_RATE / 16);
      const loud = frames.map(({ sound }) => (sound ?? []).some((x) => Math.abs(x) > 0.1));
      expect(loud).toEqual(frames.map(({ index }) => index < 32)); // two seconds at 16 a second
      const stages = [...new Set(events.map(({ stage }) => stage))];
      expect(stages).toEqual(expected.map(({ name }) => name));
      expect(events.at(-1)?.done).toBeCloseTo(1, 6);
      expect(report.model).toMatchObject({ family: 'live-avatar', stepsDone: 3 });
      expect(report.dispatches).toBeGreaterThan(100);
      expect(report.size).toEqual({ width: 64, height: 64 });
    });

    it('ends with the block that is shown when it is to finish early', async () => {
      const finish = new AbortController();
      const { frames, report } = await made({}, () => ({
        finishEarly: finish.signal,
        onProgress: ({ stage }) => stage === 'denoise' && finish.abort(),
      }));
      expect(frames).toHaveLength(12);
      expect(report.model.stepsDone).toBe(1);
    });

    it.each([
      ['no picture', { picture: undefined }, 'image/missing'],
      ['no sound', { sound: undefined }, 'audio/missing'],
      ['an empty sound', { sound: { sampleRate: 8000, channels: [] } }, 'audio/empty'],
      [
        'steps that it was not made for',
        { settings: resolveSettings({ steps: 9 }) },
        'avatar/sample_steps',
      ],
    ])('refuses %s', async (_, change, code) => {
      await expect(made(change, () => ({}))).rejects.toMatchObject({ code });
    });

    it('says before what it will take, growing with the sound in time and not in memory', async () => {
      const { caps } = await open.gpu();
      const avatar = await model();
      const asked = { settings: request.settings, size: picture, precision: 'f32' } as const;
      const [short, long] = await Promise.all(
        [2, 300].map((seconds) => avatar.plan({ ...asked, seconds }, caps)),
      );
      expect(long?.peakBytes).toBe(short?.peakBytes);
      const blocks = (plan: typeof short) => plan?.stages.find(({ name }) => name === 'denoise');
      expect([blocks(short)?.steps, blocks(long)?.steps]).toEqual([3, 400]);
      const flops = (plan: typeof short) => blocks(plan)?.work.flops ?? 0;
      expect(flops(long) / flops(short)).toBeGreaterThan(100);
      await checkMemory(await open.gpu(), short ?? { stages: [], peakBytes: 0, largestBuffer: 0 });
    });

    it('takes its size from the area that the preset or the settings say', async () => {
      const avatar = await model();
      const sizeOf = (settings: Parameters<typeof resolveSettings>[0]) =>
        avatar.sizeFor({ width: 1500, height: 1000 }, resolveSettings(settings));
      expect(sizeOf({ preset: 'preview' })).toEqual({ width: 384, height: 256 });
      expect(sizeOf({ size: { width: 256, height: 128 } })).toEqual({ width: 256, height: 128 });
      expect(() => avatar.sizeFor({ width: 8400, height: 1 }, request.settings)).toThrow(
        expect.objectContaining({ code: 'avatar/size' }),
      );
    });
  },
);
