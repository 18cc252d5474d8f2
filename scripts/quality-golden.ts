/** `npm run quality -- --golden DIR...`: frames of the golden pipelines at every storage against the reference's. */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { Likeness, Pixels } from '../bench/quality/metrics.ts';
import { Comparison } from '../bench/quality/metrics.ts';
import { Executor } from '../src/engine/graph/replay.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { markdownTable } from './bench/table.mjs';
import { openAdapter, usualAdapter } from './verify/adapter.ts';
import type { Checker, Output } from './verify/case.ts';
import { CHECKERS } from './verify/checkers.ts';
import { findCases, openCase } from './verify/find-cases.ts';
import { runAt } from './verify/level.ts';

const LEVELS = ['f32', 'f16', 'int8', 'w8a8', 'int4'] as const;
type Column = (typeof LEVELS)[number];

type Row = Likeness & { readonly pipeline: string; readonly level: Column };

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
});
const gpu = await openAdapter(usualAdapter());
const shared = { gpu, pipelines: new PipelineCache(gpu.device) };
const rows: Row[] = [];
for (const folder of await findCases(positionals)) {
  const files = await openCase(folder);
  const checker = CHECKERS.find(({ matches }) => matches(files.config, files.io.names()));
  const isPipeline = files.io.names().some((name) => /^out\.(frames|image)/.test(name));
  for (const level of checker && isPipeline ? LEVELS : []) {
    const likeness = await compared(checker, level, files);
    if (likeness) rows.push({ ...likeness, pipeline: basename(folder), level });
  }
  await files.close();
}
gpu.destroy();
const heads = [...new Set(rows.map(({ pipeline }) => pipeline))];
console.log(
  markdownTable(
    ['pipeline', ...LEVELS],
    heads.map((name) => [
      name,
      ...LEVELS.map((level) => {
        const row = rows.find((each) => each.pipeline === name && each.level === level);
        return row ? `${row.psnr.toFixed(1)} dB · ${row.ssim.toFixed(4)}` : '—';
      }),
    ]),
  ),
);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);

/** Frames as they came out of a checker beside the stored ones; undefined where it gives none. */
async function compared(
  checker: Checker | undefined,
  level: Column,
  files: Awaited<ReturnType<typeof openCase>>,
): Promise<Likeness | undefined> {
  const context = {
    ...files,
    ...shared,
    ...runAt(level === 'w8a8' ? 'int8' : level, level === 'w8a8'),
    blocks: false,
  };
  const outputs = await checker?.run({ ...context, executor: new Executor(gpu) });
  const output = outputs?.find(({ measure }: Output) => measure === 'frames');
  if (!output) return undefined;
  const { shape, values: stored } = await files.io.read(output.name);
  const [height = 1, width = 1] = shape.slice(-2);
  const comparison = new Comparison();
  const span = 3 * width * height;
  for (let at = 0; at < stored.length; at += span) {
    const [ours, theirs] = [output.values, stored].map((all) =>
      pixelsOf(all.subarray(at, at + span), width, height),
    );
    if (ours && theirs) comparison.add(ours, theirs);
  }
  return comparison.likeness;
}

/** A frame in planes of 0 … 1 as pixels. */
function pixelsOf(planes: Float32Array, width: number, height: number): Pixels {
  const places = width * height;
  const data = Float32Array.from({ length: 3 * places }, (_, i) => {
    const value = planes[(i % 3) * places + Math.floor(i / 3)] ?? 0;
    return 255 * Math.min(1, Math.max(0, value));
  });
  return { width, height, channels: 3, data };
}
