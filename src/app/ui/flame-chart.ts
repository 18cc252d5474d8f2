/** Spans over time on a canvas: stages above, kernels below. The wheel zooms, dragging moves, pointing names. */
import type { Span } from '../../engine/index.ts';

const ROW = 22;
const HEIGHT = 4 * ROW;
/** Narrowest view, in milliseconds. */
const NARROWEST_MS = 0.01;

type Bar = {
  readonly name: string;
  readonly detail: string;
  readonly row: number;
  readonly beginMs: number;
  readonly endMs: number;
};

/** Returns the chart with the line that names what is pointed at. */
export function flameChart(spans: readonly Span[]): HTMLElement {
  const bars = barsOf(spans);
  const first = bars.reduce((least, { beginMs }) => Math.min(least, beginMs), Infinity);
  const last = bars.reduce((most, { endMs }) => Math.max(most, endMs), -Infinity);
  const view = { beginMs: first, endMs: Math.max(last, first + NARROWEST_MS) };
  const canvas = document.createElement('canvas');
  canvas.className = 'flame';
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', 'Kernels over time; the tables give the same times as numbers');
  const told = document.createElement('p');
  told.textContent = 'Point at a bar; zoom with the wheel, drag to move.';

  const timeAt = (event: MouseEvent): number => {
    const { left, width } = canvas.getBoundingClientRect();
    return view.beginMs + ((event.clientX - left) / width) * (view.endMs - view.beginMs);
  };
  const redraw = (): void => draw(canvas, bars, view);
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const [at, factor] = [timeAt(event), Math.exp(event.deltaY / 400)];
      if ((view.endMs - view.beginMs) * factor < NARROWEST_MS) return;
      view.beginMs = Math.max(first, at - (at - view.beginMs) * factor);
      view.endMs = Math.min(Math.max(last, first + NARROWEST_MS), at + (view.endMs - at) * factor);
      redraw();
    },
    { passive: false },
  );
  canvas.addEventListener('pointermove', (event) => {
    if (event.buttons === 1) {
      const { width } = canvas.getBoundingClientRect();
      const wished = (-event.movementX / width) * (view.endMs - view.beginMs);
      const by = Math.max(first - view.beginMs, Math.min(last - view.endMs, wished));
      view.beginMs += by;
      view.endMs += by;
      redraw();
    }
    const { top } = canvas.getBoundingClientRect();
    const [at, row] = [timeAt(event), Math.floor((event.clientY - top) / ROW)];
    const bar = bars.find((b) => b.row === row && b.beginMs <= at && at <= b.endMs);
    if (bar) told.textContent = `${bar.detail}: ${(bar.endMs - bar.beginMs).toFixed(3)} ms`;
  });
  new ResizeObserver(redraw).observe(canvas);
  const chart = document.createElement('div');
  chart.append(canvas, told);
  return chart;
}

/** Rows: stages, the outermost block, kernels, work on the CPU. Neighbours of one name in the upper rows are one bar. */
function barsOf(spans: readonly Span[]): Bar[] {
  const bars: Bar[] = [];
  const joined: (Bar & { endMs: number })[] = [];
  for (const { track, stage, kernel, label, beginMs, endMs } of spans) {
    const detail = `${stage} ${label}`;
    if (track !== 'device') {
      const name = track === 'encode' ? track : `${stage} ${kernel}`;
      bars.push({ name, detail, row: 3, beginMs, endMs });
      continue;
    }
    bars.push({ name: kernel, detail, row: 2, beginMs, endMs });
    const block = label.split('/')[0]?.split('.').slice(0, 2).join('.') ?? '';
    for (const [row, name] of [stage, `${stage} ${block}`].entries()) {
      const open = joined[row];
      if (open?.name === name) open.endMs = Math.max(open.endMs, endMs);
      else {
        const bar = { name, detail: name, row, beginMs, endMs };
        joined[row] = bar;
        bars.push(bar);
      }
    }
  }
  return bars;
}

function draw(
  canvas: HTMLCanvasElement,
  bars: readonly Bar[],
  view: { readonly beginMs: number; readonly endMs: number },
): void {
  const scale = devicePixelRatio;
  const width = canvas.clientWidth;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(scale, scale);
  context.font = '12px system-ui, sans-serif';
  context.textBaseline = 'middle';
  const perMs = width / (view.endMs - view.beginMs);
  for (const { name, row, beginMs, endMs } of bars) {
    if (endMs < view.beginMs || beginMs > view.endMs) continue;
    const left = Math.max(0, (beginMs - view.beginMs) * perMs);
    const right = Math.min(width, (endMs - view.beginMs) * perMs);
    context.fillStyle = colourOf(name);
    context.fillRect(left, row * ROW, Math.max(0.5, right - left), ROW - 1);
    if (right - left < 40) continue;
    context.fillStyle = '#10201b';
    context.fillText(name, left + 4, row * ROW + ROW / 2, right - left - 8);
  }
}

/** The same colour for the same name, dark text readable on all of them. */
function colourOf(name: string): string {
  let hash = 0;
  for (const c of name) hash = (Math.imul(hash, 31) + c.charCodeAt(0)) >>> 0;
  return `hsl(${hash % 360} 55% 70%)`;
}
