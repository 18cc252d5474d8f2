/** The engine's codes and numbers in words for people. */
import type { AdapterState } from './protocol.ts';
import type { LiveProgress } from './running-clock.ts';

const FAILURES: Readonly<Record<string, string>> = {
  cancelled: 'Cancelled.',
  'gpu/insecure':
    'Open this page over https or on localhost; browsers switch WebGPU off elsewhere.',
  'gpu/unsupported':
    'This browser has no WebGPU. Chrome and Edge 113+, Safari 26+ and Firefox 141+ (Windows) do.',
  'gpu/no-adapter':
    'The browser found no usable graphics card. Check that hardware acceleration is on; details at chrome://gpu.',
  'gpu/lost': 'The graphics driver restarted and the video was lost. Try again.',
  'gpu/limit': 'Not enough graphics memory. Close other tabs, or use a lower quality.',
  'image/svg': 'Drawings (SVG) cannot be animated. Save it as PNG first.',
  'image/unknown': 'That file is no picture. Choose a PNG, JPEG, WebP, GIF, BMP or AVIF.',
  'video/no-encoder': 'This browser cannot write a video at this size.',
};

/** Returns what to show for a failure: words for its code where there are some, else the engine's own message. */
export const failureText = (code: string, message: string): string =>
  FAILURES[code] ?? message.replace(/ \([a-z-]+\/[a-z-]+\)$/, '');

/** Returns one line on what the engine runs on. */
export function adapterText({ name, software, f16 }: AdapterState): string {
  if (software) {
    return `Running on the processor (${name}), not on a graphics card: it works, but slowly.`;
  }
  return `Running on ${name}, ${f16 ? 'half' : 'full'} precision.`;
}

const STAGES: Readonly<Record<string, string>> = {
  fetch: 'Fetching the model, megabytes',
  load: 'Loading the model',
  prepare: 'Preparing',
  encode: 'Reading the picture',
  denoise: 'Imagining the motion',
  render: 'Moving the picture',
};

/** Returns stage, step and time in one line. */
export function progressText({ stage, step, steps, leftMs, elapsedMs }: LiveProgress): string {
  const name = STAGES[stage] ?? stage;
  const count = steps > 1 ? `, ${Math.floor(step)} of ${steps}` : '';
  const time =
    leftMs === undefined
      ? `${durationText(elapsedMs)} so far`
      : `about ${durationText(leftMs)} left`;
  return `${name}${count}, ${time}`;
}

/** Returns a duration in the unit that suits it. */
export function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  return `${Math.round(seconds / 60)} min`;
}
