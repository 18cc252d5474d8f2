/** Work of a stage as the kernels count it, by what bounds it: what a machine's speeds turn into seconds. */
import type { Recording } from './record.ts';

/** Work in the units that a machine's speed is measured in. */
export type Work = {
  /** Of everything but attention. */
  readonly flops: number;
  readonly attentionFlops: number;
  /** Bytes that kernels move which compute little. */
  readonly bytes: number;
  readonly dispatches: number;
  /** Shaders that are compiled for it. */
  readonly pipelines: number;
  /** Bytes of weights that are read and put on the device. */
  readonly loadBytes: number;
  /** Pixels that leave the device and are encoded. */
  readonly pixels: number;
};

/** No work at all. */
export const NO_WORK: Work = {
  flops: 0,
  attentionFlops: 0,
  bytes: 0,
  dispatches: 0,
  pipelines: 0,
  loadBytes: 0,
  pixels: 0,
};

/** Flops a byte below which moving bytes is what takes the time. */
const INTENSITY = 16;

/** Returns the work of dispatches. */
export function workOf(dispatches: Recording['dispatches']): Work {
  let [flops, attentionFlops, bytes] = [0, 0, 0];
  for (const dispatch of dispatches) {
    if (dispatch.kernel.includes('attention')) attentionFlops += dispatch.flops;
    else flops += dispatch.flops;
    if (dispatch.flops < INTENSITY * dispatch.bytes) bytes += dispatch.bytes;
  }
  return { ...NO_WORK, flops, attentionFlops, bytes, dispatches: dispatches.length };
}

/** Returns the sum of works. */
export const sumOfWork = (works: readonly Work[]): Work =>
  works.reduce((sum, work) => combine(sum, work, 1), NO_WORK);

/** Returns `times` times the work. */
export const timesWork = (work: Work, times: number): Work => combine(NO_WORK, work, times);

const combine = (a: Work, b: Work, times: number): Work => ({
  flops: a.flops + times * b.flops,
  attentionFlops: a.attentionFlops + times * b.attentionFlops,
  bytes: a.bytes + times * b.bytes,
  dispatches: a.dispatches + times * b.dispatches,
  pipelines: a.pipelines + times * b.pipelines,
  loadBytes: a.loadBytes + times * b.loadBytes,
  pixels: a.pixels + times * b.pixels,
});
