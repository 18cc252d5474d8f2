/** The page's profile, behind `?profile`: times by stage and kernel, a flame chart, and the trace as a file. */
import type { Span } from '../../engine/index.ts';
import { byKernel, byStage, chromeTrace } from '../../engine/index.ts';
import { flameChart } from './flame-chart.ts';

/** Returns the parts of a run's profile. */
export function profileParts(spans: readonly Span[]): HTMLElement[] {
  const stages = byStage(spans).map(({ stage, dispatches, busyMs, spanMs, encodeMs }) => [
    stage,
    String(dispatches),
    busyMs.toFixed(1),
    spanMs.toFixed(1),
    percent(spanMs > 0 ? 1 - busyMs / spanMs : 0),
    encodeMs.toFixed(1),
  ]);
  const kernels = byKernel(spans).map(({ stage, kernel, calls, ms, share, gflops, gigabytes }) => [
    `${stage} / ${kernel}`,
    String(calls),
    ms.toFixed(2),
    percent(share),
    gflops.toFixed(0),
    gigabytes.toFixed(1),
  ]);
  return [
    table('Stages', ['stage', 'dispatches', 'busy ms', 'span ms', 'idle', 'encode ms'], stages),
    flameChart(spans),
    table('Kernels', ['stage / kernel', 'calls', 'ms', 'share', 'GFLOP/s', 'GB/s'], kernels),
    note(),
    traceLink(spans),
  ];
}

function note(): HTMLParagraphElement {
  const made = document.createElement('p');
  made.textContent =
    'Browsers round the device’s clock to about a tenth of a millisecond: trust sums, not single short bars. While a profile is taken, each kernel runs in a pass of its own.';
  return made;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function table(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): HTMLTableElement {
  const made = document.createElement('table');
  made.createCaption().textContent = title;
  const headRow = made.createTHead().insertRow();
  for (const text of head) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = text;
    headRow.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const text of row) line.insertCell().textContent = text;
  }
  return made;
}

let traceUrl = '';

function traceLink(spans: readonly Span[]): HTMLAnchorElement {
  URL.revokeObjectURL(traceUrl);
  const json = JSON.stringify(chromeTrace(spans));
  traceUrl = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  const link = document.createElement('a');
  link.className = 'button';
  link.id = 'trace';
  link.href = traceUrl;
  link.download = 'zoetrope-trace.json';
  link.textContent = 'Save the trace (for Perfetto)';
  return link;
}
