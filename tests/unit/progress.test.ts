import { describe, expect, it } from 'vitest';
import { Progress } from '../../src/engine/progress.ts';
import type { ProgressEvent } from '../../src/engine/progress.ts';

/** A run whose clock the test moves by hand. */
function run() {
  let clock = 0;
  const events: ProgressEvent[] = [];
  const plan = [
    { name: 'load', steps: 1, cost: 10 },
    { name: 'denoise', steps: 4, cost: 20 },
    { name: 'render', steps: 10, cost: 1 },
  ];
  const progress = new Progress(plan, (event) => events.push(event), { now: () => clock });
  return {
    events,
    progress,
    after(ms: number, stage: string, share: number): ProgressEvent | undefined {
      clock += ms;
      progress.advance(stage, share);
      return events.at(-1);
    },
  };
}

describe('progress', () => {
  it('says nothing of the time left before anything was measured', () => {
    expect(run().after(0, 'load', 0)).toEqual({ stage: 'load', step: 0, steps: 1, done: 0 });
  });

  it('judges a stage by its own steps and the later ones by all so far', () => {
    const { after } = run();
    after(100, 'load', 1); // 10 ms a unit of cost
    const event = after(400, 'denoise', 0.5); // two steps of 200 ms
    // two more steps of 200 ms, then 10 units at 500 ms for 50 units
    expect(event).toMatchObject({ stage: 'denoise', step: 2, steps: 4, done: 0.5, leftMs: 500 });
  });

  it('corrects itself when a stage is slower than its plan', () => {
    const { after } = run();
    after(10, 'load', 1);
    after(80, 'denoise', 1);
    const event = after(100, 'render', 0.1); // a frame takes 100 ms instead of 1
    expect(event?.leftMs).toBeCloseTo(900, 6);
  });

  it('gives the time up to a report of nothing done to the stage before', () => {
    const { after, progress } = run();
    after(0, 'load', 0);
    after(30, 'denoise', 0);
    after(70, 'denoise', 1);
    expect(progress.timings).toEqual({ load: 30, denoise: 70 });
  });

  it('gives the time since the last report to the stage that was at work', () => {
    const { after, progress } = run();
    after(30, 'load', 1);
    after(70, 'denoise', 0.25);
    after(70, 'denoise', 1);
    after(5, 'render', 1);
    expect(progress.timings).toEqual({ load: 30, denoise: 140, render: 5 });
  });

  it('ends at one with nothing left', () => {
    const { after } = run();
    after(30, 'load', 1);
    after(30, 'denoise', 1);
    expect(after(30, 'render', 1)).toMatchObject({ done: 1, leftMs: 0 });
  });

  it('refuses a stage that is not in the plan', () => {
    expect(() => run().after(0, 'upscale', 0)).toThrow('no stage "upscale"');
  });
});
