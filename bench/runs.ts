/**
 * What a run of the built-in model is foretold to take, and what it takes: the time before any run and after one, the time
 * left on the way, memory, submits, previews and cancels.
 *
 *     node scripts/run.mjs bench/runs.ts [--adapter A] [--preset P] [--runs N]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { correctionsOf, expectedStages } from '../src/app/jobs/estimate.ts';
import type { RunRecord } from '../src/app/jobs/run-log.ts';
import {
  probeSpeeds,
  residentEngine,
  resolveSettings,
  run,
  runnableMotion,
} from '../src/engine/index.ts';
import type {
  Gpu,
  Picture,
  Preset,
  ProgressEvent,
  RunContext,
  RunReport,
  Speeds,
} from '../src/engine/index.ts';
import { bytesSource } from '../src/engine/weights/byte-source.ts';
import { openAdapter, usualAdapter } from '../scripts/verify/adapter.ts';
import type { AdapterChoice } from '../scripts/verify/adapter.ts';
import { timeSubmits } from './submit-times.ts';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string', default: usualAdapter() },
    preset: { type: 'string', default: 'standard' },
    runs: { type: 'string', default: '4' },
    weights: { type: 'string', default: join(process.cwd(), 'weights/motion') },
  },
});
const say = (name: string, value: unknown): void => console.log(JSON.stringify({ [name]: value }));
const percent = (a: number, b: number): number => Math.round(1000 * Math.abs(a / b - 1)) / 10;

/** A soft picture of many colours. */
function gradient(width: number, height: number): Picture {
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => {
    const [c, x, y] = [i % 4, Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
    return c === 3 ? 255 : 128 + 100 * Math.sin(0.02 * x + c) * Math.cos(0.017 * y - c);
  });
  return { width, height, data };
}

const settings = resolveSettings({ preset: options.preset as Preset, motion: 0.7, seed: 5 });
const model = runnableMotion({
  config: JSON.parse(await readFile(join(options.weights, 'config.json'), 'utf8')) as unknown,
  weights: bytesSource(new Uint8Array(await readFile(join(options.weights, 'model.safetensors')))),
});
const size = model.sizeFor({ width: 1536, height: 1024 }, settings);
const request = { settings: { ...settings, size }, picture: gradient(size.width, size.height) };

type Seen = ProgressEvent & { readonly at: number };

async function once(
  gpu: Gpu,
  more: Partial<RunContext>,
): Promise<{ report: RunReport; seen: Seen[] }> {
  const seen: Seen[] = [];
  const onProgress = (event: ProgressEvent): void =>
    void seen.push({ ...event, at: performance.now() });
  const frames = run(model, request, { gpu, ...more, onProgress });
  for (;;) {
    const next = await frames.next();
    if (next.done) return { report: next.value, seen };
  }
}

/** Errors of the time left, in percent, at a quarter and a half of a run's time. */
function errorsOf(seen: readonly Seen[], started: number, totalMs: number): number[] {
  return [0.25, 0.5].map((share) => {
    const event = seen.find(({ at }) => at - started >= share * totalMs);
    return percent(event?.leftMs ?? Infinity, totalMs - ((event?.at ?? 0) - started));
  });
}

const gpu = await openAdapter(options.adapter as AdapterChoice);
const precision = gpu.caps.f16 ? 'f16' : 'f32';
const adapter = [gpu.info.vendor, gpu.info.description].join(' ');
say('device', { adapter, precision, size, frames: settings.frames, steps: settings.steps });
const plan = await model.plan({ settings: request.settings, size, precision }, gpu.caps);
const { executor } = await residentEngine(gpu, {});
const began = performance.now();
const speeds: Speeds = await probeSpeeds(gpu, executor, precision);
say('probe', { ms: Math.round(performance.now() - began), ...speeds });

const log: RunRecord[] = [];
const work = Object.fromEntries(plan.stages.map((stage) => [stage.name, stage.work]));
const kind = { model: 'motion', adapter, precision };
for (let i = 0; i < Number(options.runs); i++) {
  const stages = expectedStages(plan, speeds, correctionsOf(log, kind, speeds));
  const expectedMs = stages.reduce((sum, { ms }) => sum + ms, 0);
  const started = performance.now();
  const { report, seen } = await once(gpu, { expected: stages });
  const { totalMs, timings, peakGpuBytes } = report;
  const [at25, at50] = errorsOf(seen, started, totalMs);
  const gaps = seen.map(({ at }, k) => at - (seen[k - 1]?.at ?? started));
  say(`run ${i + 1}`, {
    ...{ totalMs, expectedMs, errorPercent: percent(expectedMs, totalMs), at25, at50 },
    ...{ longestSilenceMs: Math.max(...gaps), timings },
    ...{ plannedBytes: plan.peakBytes, peakGpuBytes, ratio: plan.peakBytes / peakGpuBytes },
  });
  log.push({
    ...{ id: String(i), at: i, ...kind, family: 'motion', preset: settings.preset, ...size },
    ...{ frames: settings.frames, steps: settings.steps, outcome: 'done', totalMs, timings, work },
    ...{ plannedBytes: plan.peakBytes, peakBytes: peakGpuBytes, resumed: false, losses: 0 },
  });
}

const denoiseMs = async (more: Partial<RunContext>): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) times.push((await once(gpu, more)).report.timings['denoise'] ?? NaN);
  return times.toSorted((a, b) => a - b)[2] ?? NaN;
};
const plain = await denoiseMs({});
const shown = await denoiseMs({ onPreview: () => undefined });
say('previews', {
  denoiseMs: plain,
  withPreviews: shown,
  percent: (100 * (shown - plain)) / plain,
});

for (const stage of ['denoise', 'render']) {
  const stop = new AbortController();
  let asked = 0;
  const watched = {
    gpu,
    signal: stop.signal,
    onProgress(event: ProgressEvent): void {
      if (event.stage !== stage || event.step < 1 || asked > 0) return;
      asked = performance.now();
      stop.abort();
    },
  };
  const frames = run(model, request, watched);
  const ended = (async () => {
    for await (const frame of frames) void frame;
  })().catch(() => undefined);
  await ended;
  await gpu.device.queue.onSubmittedWorkDone();
  say('cancel', { stage, idleAfterMs: performance.now() - asked });
}

const waits = timeSubmits(gpu.device.queue);
await once(gpu, {});
const times = (await Promise.all(waits)).toSorted((a, b) => a - b);
const at = (share: number): number | undefined => times[Math.floor(share * (times.length - 1))];
say('submits', { count: times.length, medianMs: at(0.5), p99Ms: at(0.99), mostMs: times.at(-1) });
gpu.destroy();
