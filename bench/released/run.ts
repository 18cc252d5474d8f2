/** One row: a whole run of a released Wan model, from files to an MP4, with the time, memory and work of its stages. */
import type { Gpu } from '../../src/engine/gpu/device.ts';
import { meterBuffers } from '../../src/engine/gpu/memory.ts';
import { pixelsOf } from '../../src/engine/image/colours.ts';
import type { Raster } from '../../src/engine/image/resize.ts';
import { openWan } from '../../src/engine/models/wan/animate.ts';
import { checkWan } from '../../src/engine/models/wan/check.ts';
import type { ComponentSource } from '../../src/engine/models/wan/components.ts';
import type { WanParts } from '../../src/engine/models/wan/forecast.ts';
import { forecastWan } from '../../src/engine/models/wan/forecast.ts';
import { generate } from '../../src/engine/models/wan/pipeline.ts';
import { residentEngine } from '../../src/engine/resident.ts';
import { umt5Tokenizer } from '../../src/engine/tokenizers/tokenizer.ts';
import { createMp4Writer } from '../../src/engine/video/mp4-writer.ts';
import { pickedFiles, urlFiles } from '../../src/engine/weights/model-files.ts';
import type { WeightsChoice } from '../../src/engine/weights/policy.ts';
import { policyFor } from '../../src/engine/weights/policy.ts';
import type { Store } from '../../src/engine/weights/store.ts';
import type { Reading } from './reads.ts';
import { Reads } from './reads.ts';

export type ReleasedRow = {
  /** Paths of the files in the model's folder, in the order in which they are picked. */
  readonly paths: readonly string[];
  /** Address of that folder; where left out, the picked files are read. */
  readonly folder?: string | undefined;
  /** Name under which quantised weights are kept; none are without it. */
  readonly keep?: string | undefined;
  readonly weights?: WeightsChoice | undefined;
  readonly precision: 'f16' | 'f32';
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
  readonly guidance: number;
  /** Whether weights are read block by block in each step. */
  readonly stream: boolean;
};

/** A stretch of the run: its time, the most bytes on the device in it, and the share of the device's arithmetic. */
export type Stage = {
  readonly name: string;
  readonly ms: number;
  readonly peakBytes: number;
  /** Work by the kernels' own count; 0 where none is foretold. */
  readonly tflop: number;
};

export type RowResult = {
  readonly stages: readonly Stage[];
  readonly stepMs: readonly number[];
  readonly readings: readonly Reading[];
  readonly totalMs: number;
  /** From the first read to the last, of all parts, and what is left of the whole. */
  readonly loadMs: number;
  readonly afterLoadMs: number;
  readonly peakBytes: number;
  readonly foretoldBytes: number;
  readonly videoBytes: number;
  /** Whether a frame was finite and not of one colour. */
  readonly varied: boolean;
};

const PROMPT = 'A small brown bird sings on a mossy branch, leaves sway gently in the wind.';

/** Runs `row` and tells what it does on the way. */
export async function runRow(
  gpu: Gpu,
  store: Store,
  row: ReleasedRow,
  files: readonly File[],
  say: (text: string) => void,
): Promise<RowResult> {
  const { width, height, frames, steps, guidance, precision, stream } = row;
  const meter = meterBuffers(gpu.device);
  const reads = new Reads();
  const kept = row.keep === undefined ? undefined : store;
  const picked =
    row.folder === undefined
      ? pickedFiles(files.map((file, i) => ({ path: `model/${row.paths[i] ?? ''}`, file })))
      : urlFiles(row.folder, {}, row.paths);
  const counted = reads.files(picked, kept, row.keep ?? '');
  const { weights } = row;
  const quantise = policyFor(weights);
  const engine = { ...(await residentEngine(gpu, {})), precision, quantise, stream };
  const clock = new StageClock(meter, say);

  const enter = (stage: string): void => {
    clock.enter(stage);
    reads.stage = stage;
  };

  enter('open');
  const { parts, tokenizer, usual } = await openWan(counted);
  await checkWan(parts, gpu.caps);
  const tokens = await umt5Tokenizer(tokenizer);
  const prompt = tokens(PROMPT);
  const footprint = { width, height, frames, steps, guided: guidance > 1, image: true, stream };
  const forecast = await forecastWan(
    await configsOf(parts),
    { ...footprint, tokens: prompt.length, weights },
    precision,
    gpu.caps,
  );

  enter('text');
  const writer = await createMp4Writer({
    ...{ width, height, fps: usual.fps },
    marking: { tool: 'bench' },
  });
  const stepEnds: number[] = [];
  let muxMs = 0;
  let varied = false;
  const run = generate(
    engine,
    parts,
    {
      ...{
        prompt,
        width,
        height,
        frames,
        steps,
        guidance,
        seed: 1,
        image: photograph(width, height),
      },
      ...{ shift: usual.shift, solver: { kind: usual.solver, variant: 'diffusers' } },
    },
    {
      onProgress: ({ stage, done }) => {
        // What the next stage reads first counts as its own.
        enter(stage === 'text' && done >= 1 ? 'picture' : stage);
        if (stage === 'denoise') clock.firstStep ??= performance.now();
        if (stage === 'denoise' && done * steps >= stepEnds.length + 1 - 1e-9) {
          stepEnds.push(performance.now());
          say(`step ${stepEnds.length} of ${steps}`);
        }
      },
      onTrace: ({ stage }) => {
        if (stage === 'conditions') enter('denoise');
        else if (stepEnds.length >= steps) enter('decode');
      },
    },
  );
  for await (const { data } of run) {
    const begun = performance.now();
    varied ||= new Set(data.subarray(0, 3000)).size > 10 && data.every((value) => value === value);
    await writer.addFrame(pixelsOf(data));
    muxMs += performance.now() - begun;
  }
  clock.enter('mux');
  const begun = performance.now();
  const file = await writer.finish();
  muxMs += performance.now() - begun;
  clock.end();

  const work = new Map(forecast.stages.map(({ stage, flops }) => [stage as string, flops / 1e12]));
  const stages = clock.stages.map(({ name, ms, peakBytes }) => ({
    ...{ name, peakBytes, tflop: work.get(name) ?? 0 },
    ms: name === 'mux' ? muxMs : name === 'decode' ? ms - muxMs : ms,
  }));
  const readings = reads.all;
  const loadMs = readings.reduce((sum, each) => sum + each.readMs + each.keepMs, 0);
  const { totalMs } = clock;
  return {
    ...{ stages, readings, totalMs, loadMs, afterLoadMs: totalMs - loadMs, varied },
    stepMs: stepEnds.map((end, i) => end - (stepEnds[i - 1] ?? clock.firstStep ?? end)),
    peakBytes: Math.max(...stages.map(({ peakBytes }) => peakBytes)),
    foretoldBytes: forecast.peakBytes,
    videoBytes: file.byteLength,
  };
}

/** Cuts a run into stages, and notes the most bytes on the device in each. */
class StageClock {
  readonly stages: { readonly name: string; readonly ms: number; readonly peakBytes: number }[] =
    [];
  /** When the first step was under way for the first time. */
  firstStep: number | undefined;
  readonly #meter: ReturnType<typeof meterBuffers>;
  readonly #say: (text: string) => void;
  readonly #begun = performance.now();
  #name = '';
  #since = performance.now();

  constructor(meter: ReturnType<typeof meterBuffers>, say: (text: string) => void) {
    this.#meter = meter;
    this.#say = say;
  }

  get totalMs(): number {
    return performance.now() - this.#begun;
  }

  enter(name: string): void {
    if (name === this.#name) return;
    this.end();
    this.#name = name;
    this.#since = performance.now();
    this.#meter.resetPeak();
  }

  end(): void {
    const ms = performance.now() - this.#since;
    const { peakBytes } = this.#meter;
    if (this.#name !== '') {
      this.stages.push({ name: this.#name, ms, peakBytes });
      const seconds = (ms / 1000).toFixed(2);
      this.#say(`${this.#name}: ${seconds} s, ${(peakBytes / 2 ** 30).toFixed(2)} GiB at the peak`);
    }
    this.#name = '';
  }
}

async function configsOf(parts: ComponentSource): Promise<WanParts> {
  const names = ['transformer', 'transformer_2', 'vae', 'text_encoder', 'image_encoder'] as const;
  const found = names.filter((name) => parts.has(name));
  const entries = await Promise.all(
    found.map(async (name) => [name, await parts.config(name)] as const),
  );
  return Object.fromEntries(entries) as unknown as WanParts;
}

/** Waves of colour: something to encode. */
function photograph(width: number, height: number): Raster {
  const data = new Float32Array(3 * width * height);
  for (let i = 0; i < data.length; i++) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    data[i] = 0.5 + 0.4 * Math.sin(x / (23 + 9 * channel) + y / (31 - 7 * channel));
  }
  return { width, height, channels: 3, data };
}
