/**
 * Tells which settings of the released models fit on cards of several sizes, by forecast: nothing is loaded, no card is needed.
 *
 *   node scripts/run.mjs scripts/fits.ts [--cards 8,12,16,24] [--only MODEL]
 *
 * Asked for are the sizes and frames that each model's authors recommend; what does not fit is given up in the planner's order.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { CatalogModel } from '../src/engine/models/catalog.ts';
import { parseCatalog } from '../src/engine/models/catalog.ts';
import type { FitRequest, WanFit } from '../src/engine/models/wan/fit.ts';
import { bestFit } from '../src/engine/models/wan/fit.ts';
import type { WanParts } from '../src/engine/models/wan/forecast.ts';

const GIB = 2 ** 30;

/** What cards of today can do. */
const CAPS = {
  ...{ software: false, f16: true, subgroups: true, subgroupSize: { min: 32, max: 32 } },
  ...{ subgroupMatrix: [], timestamps: false, workgroupBytes: 32_768 },
  ...{ maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 32 },
};

const { values } = parseArgs({
  options: { cards: { type: 'string', default: '8,12,16,24' }, only: { type: 'string' } },
});
const cards = values.cards.split(',').map(Number);
const path = join(import.meta.dirname, '../weights/catalog.json');
const { models, configs } = parseCatalog(JSON.parse(await readFile(path, 'utf8')));

function requestOf({ parts, recommended, starts }: CatalogModel): FitRequest {
  const found = Object.entries(parts).flatMap(([name, { config }]) =>
    config === undefined ? [] : [[name, configs[config] ?? {}] as const],
  );
  const { steps, guidance } = recommended;
  return {
    parts: Object.fromEntries(found) as unknown as WanParts,
    footprint: { guided: guidance > 1, image: starts.includes('picture'), steps },
    precision: 'f16',
    caps: CAPS,
  };
}

/** A cell: what is run, and the most that it takes. */
function told(fit: WanFit | undefined): string {
  if (!fit) return 'nothing';
  const { width, height, frames, weights = 'f16', tiled, stream } = fit.choice;
  const ways = [weights, ...(stream ? ['streamed'] : []), ...(tiled ? ['in tiles'] : [])];
  const peak = (fit.forecast.peakBytes / GIB).toFixed(1);
  return `${width}×${height}, ${frames} frames, ${ways.join(', ')}: ${peak}`;
}

console.log(`| | ${cards.map((card) => `${card} GB`).join(' | ')} |`);
console.log(`| --- |${' --- |'.repeat(cards.length)}`);
for (const model of models) {
  if (values.only !== undefined && model.id !== values.only) continue;
  const { width, height, frames } = model.recommended;
  const asked = { width, height, frames, weights: undefined, tiled: false, stream: false };
  const request = requestOf(model);
  const cells: string[] = [];
  for (const card of cards) cells.push(told(await bestFit(request, asked, card * GIB)));
  console.log(`| ${model.title} | ${cells.join(' | ')} |`);
}
