/** Two models in one run: NewBie-image paints what a prompt says, and a Wan model goes on from that picture, which never leaves the device. */
import { sumOfWork } from './graph/work.ts';
import type { Size } from './image/fit.ts';
import { coveringOnDevice } from './models/newbie/covering.ts';
import type { PaintedPicture } from './models/newbie/decode.ts';
import { paintOnDevice } from './models/newbie/pipeline.ts';
import { isXmlPrompt, readPrompt } from './models/newbie/prompt.ts';
import type { WanFiles } from './models/wan/animate.ts';
import { animateWan } from './models/wan/animate.ts';
import type { Engine } from './nn/run-once.ts';
import { USUAL_SHAPE } from './run.ts';
import type { ModelContext, PlanRequest, RunPlan, RunnableModel } from './run.ts';
import type { NewbieFiles } from './run-newbie.ts';
import { newbieOptions, newbieRequest, runnableNewbie } from './run-newbie.ts';
import { runnableWan } from './run-wan.ts';
import type { Settings } from './settings.ts';

/** How the picture is painted, whatever the video's settings: its pixels, and settings of its own model. */
export type Painting = {
  readonly pixels: number;
  readonly steps: number;
  readonly guidance: number;
  readonly shift: number;
};

/** As released. */
const PAINTING: Painting = { pixels: 1024 * 1024, steps: 28, guidance: 5, shift: 6 };
/** Sides of a painted picture are multiples of this. */
const SIDE = 16;

/** Shares of the painting, in the order of its stages, as they are at 1024 × 1024. */
const SHARES: readonly (readonly [string, number])[] = [
  ['text', 0.15],
  ['denoise', 0.8],
  ['decode', 0.05],
];

/** Returns the two models as one: a run's settings are those of the video, `painting` says how its picture is made. */
export function runnablePainted(
  newbie: NewbieFiles,
  wan: WanFiles,
  painting: Painting = PAINTING,
): RunnableModel {
  const painter = runnableNewbie(newbie);
  const video = runnableWan(wan);
  return {
    ...video,
    takes: { picture: 'no', lastPicture: 'no', sound: 'no', prompt: 'needed' },
    async plan(asked, caps) {
      const { settings, size } = asked;
      const own = { settings: paintingOf(settings, painting), size: paintedSize(size, painting) };
      const [first, second] = await Promise.all([
        painter.plan({ ...asked, ...own }, caps),
        video.plan({ ...asked, settings: filmOf(settings) } satisfies PlanRequest, caps),
      ]);
      const paint = {
        ...{ name: 'paint', steps: painting.steps },
        work: sumOfWork(first.stages.map(({ work }) => work)),
      };
      return {
        peakBytes: Math.max(first.peakBytes, second.peakBytes),
        largestBuffer: Math.max(first.largestBuffer, second.largestBuffer),
        stages: [paint, ...second.stages],
      } satisfies RunPlan;
    },
    async *run(engine, { settings }, context) {
      const size = video.sizeFor(USUAL_SHAPE, settings);
      const { progress, signal, onNotice, onPreview, finishEarly, checkpoints, resume } = context;
      const placed = await paintedPicture(engine, newbie, { settings, size, painting }, context);
      let stepsDone = settings.steps;
      try {
        const report = yield* animateWan(engine, wan, { ...size, placed }, filmOf(settings), {
          ...(signal && { signal }),
          ...(finishEarly && { finishEarly }),
          ...(checkpoints && { checkpoints }),
          ...(resume && { resume }),
          ...{ onProgress: progress, onPreview },
          onDecodeInF32: () => onNotice?.({ kind: 'decoded-in-f32', stage: 'decode' }),
          onSampled: (steps) => (stepsDone = steps),
        });
        return { ...report, stepsDone };
      } finally {
        placed.destroy();
      }
    },
  };
}

/** Resolves to the picture that the video starts from, at the video's size. */
async function paintedPicture(
  engine: Engine,
  { parts, tokenizer, tiny }: NewbieFiles,
  { settings, size, painting }: { settings: Settings; size: Size; painting: Painting },
  { signal, progress, onPreview, onNotice }: ModelContext,
): Promise<PaintedPicture> {
  const options = newbieOptions({
    ...(signal && { signal }),
    ...(onPreview && { onPreview }),
    ...(onNotice && { onNotice }),
    progress(stage, done) {
      const before = SHARES.findIndex(([name]) => name === stage);
      const share = SHARES[before]?.[1] ?? 0;
      const sum = SHARES.slice(0, before).reduce((total, [, each]) => total + each, 0);
      progress('paint', sum + share * done);
    },
  });
  const request = newbieRequest(
    tokenizer,
    paintingOf(settings, painting),
    paintedSize(size, painting),
  );
  const picture = await paintOnDevice(engine, parts, request, { ...options, tiny });
  try {
    return await coveringOnDevice(engine, picture, size);
  } finally {
    picture.destroy();
  }
}

/** The settings of the painting: the same words and seed. */
const paintingOf = (settings: Settings, { steps, guidance, shift }: Painting): Settings => ({
  ...settings,
  steps,
  guidance,
  shift,
});

/** The settings of the video: of an XML prompt it reads the sentences. */
function filmOf(settings: Settings): Settings {
  const { prompt } = settings;
  return isXmlPrompt(prompt) ? { ...settings, prompt: readPrompt(prompt).caption ?? '' } : settings;
}

/** The size nearest to so many pixels with the shape of `size`. */
function paintedSize({ width, height }: Size, { pixels }: Painting): Size {
  const scale = Math.sqrt(pixels / (width * height));
  const side = (length: number): number => SIDE * Math.max(1, Math.round((scale * length) / SIDE));
  return { width: side(width), height: side(height) };
}
