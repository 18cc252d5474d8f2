import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../helpers/source-tree.ts';

/**
 * Hidden tabs get no frames of the screen and few ticks of a page's clock: nothing that a run waits for may come from there.
 * These files wait for something else, and give up on it after a time.
 */
const GIVE_UP = [
  'src/app/engine/device.ts', // a driver that does not answer
  'src/app/engine/stop.ts', // work that does not end when it is told to
  'src/app/engine/runner.ts', // signs of life, and a GPU process that comes back
  'src/engine/video/encoder-probe.ts',
  'src/engine/video/sound-track.ts',
  'src/engine/weights/http.ts',
  'src/engine/weights/node-private-files.ts',
  'src/engine/sampling/ahead.ts', // noise drawn ahead, which nothing waits for
];

const files = ['src/engine', 'src/app/engine', 'src/app/jobs'].flatMap((folder) =>
  sourceFiles(folder, '.ts'),
);
const using = (pattern: RegExp): string[] =>
  files.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

describe('the pace of a run', () => {
  it('is not that of the screen', () => {
    expect(using(/requestAnimationFrame|requestIdleCallback|visibilitychange/)).toEqual([]);
  });

  it('is not that of a clock', () => {
    expect(using(/\bset(Timeout|Interval)\(/).filter((path) => !GIVE_UP.includes(path))).toEqual(
      [],
    );
  });
});
