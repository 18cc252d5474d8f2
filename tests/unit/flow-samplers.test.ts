import { describe, expect, it } from 'vitest';
import { flowMatchSchedule, shiftForTokens } from '../../src/engine/sampling/flow-match.ts';
import { runOnCpu } from '../../src/engine/sampling/sampler.ts';
import type { Transport } from '../../src/engine/sampling/transport.ts';
import {
  dpmTransport,
  odeTransport,
  scheduleTransport,
} from '../../src/engine/sampling/transport.ts';

/** Solves dx/dt = a x from x(0) = 1 to t = 1. */
function solve({ steps }: Transport, a: number): number {
  const samples = runOnCpu(steps, [1], (x) => x.map((value) => a * value));
  return samples.at(-1)?.[0] ?? NaN;
}

const error = (transport: Transport): number => Math.abs(solve(transport, -1) - Math.exp(-1));

describe('solvers from noise to data', () => {
  it.each([
    ['euler', 1],
    ['midpoint', 2],
  ] as const)('%s is of order %i', (method, order) => {
    const [coarse, fine] = [9, 17].map((points) => error(odeTransport(method, points, undefined)));
    expect((coarse ?? NaN) / (fine ?? NaN)).toBeCloseTo(2 ** order, 0);
  });

  it('the 3/8 rule takes a step of a polynomial of degree three exactly', () => {
    const { steps } = odeTransport('rk4', 2, undefined);
    const [, , , x] = runOnCpu(steps, [0], (_, { timestep: t }) => [4 * t ** 3]);
    expect(x?.[0]).toBeCloseTo(1, 6);
  });

  it('call the network at the times of their grid', () => {
    const { grid, steps } = odeTransport('midpoint', 3, { factor: 6 });
    expect(grid[1]).toBeCloseTo(0.5 / (0.5 + 6 - 3), 6);
    expect(steps.map(({ timestep }) => timestep)).toEqual([
      0,
      (grid[1] ?? 0) / 2,
      grid[1],
      (grid[1] ?? 0) + (1 - (grid[1] ?? 0)) / 2,
    ]);
  });

  it.each([1, 2, 3] as const)(
    'DPM-Solver++ of order %i ends on the data of a straight flow',
    (order) => {
      const data = 3;
      const { steps, grid } = dpmTransport(order, 6, 4);
      const [noise] = [-1];
      const samples = runOnCpu(steps, [noise], () => [data - noise]);
      // The grid starts a little below pure noise.
      const missed = (1 - (grid[0] ?? 0)) * (data - noise);
      expect(samples.at(-1)?.[0]).toBeCloseTo(data - missed, 6);
    },
  );

  it.each([
    ['euler', odeTransport('euler', 5, { factor: 6 })],
    ['midpoint', odeTransport('midpoint', 5, { factor: 6 })],
    ['DPM-Solver++', dpmTransport(2, 4, 6)],
    [
      'FlowMatchEuler',
      scheduleTransport(flowMatchSchedule({ steps: 4, grid: 'own', shift: { factor: 3 } })),
    ],
  ] as const)(
    '%s estimates the data of a straight flow at every call',
    (_, { steps, estimates }) => {
      const [noise, data] = [-1, 3];
      expect(estimates).toBe(true);
      runOnCpu(steps, [noise + (steps[0]?.timestep ?? 0) * (data - noise)], (x, { m }) => {
        expect(m.x * (x[0] ?? NaN) + m.v * (data - noise)).toBeCloseTo(data, 5);
        return [data - noise];
      });
    },
  );

  it('refuse counts that no grid has', () => {
    expect(() => odeTransport('euler', 1, undefined)).toThrow(/sampling\/steps/);
    expect(() => dpmTransport(2, 0.5, 1)).toThrow(/sampling\/steps/);
  });
});

describe('FlowMatchEuler', () => {
  it('seen from noise to data is Euler on the mirrored levels', () => {
    const schedule = flowMatchSchedule({ steps: 4, grid: 'linear', shift: { factor: 6 } });
    const { steps, grid } = scheduleTransport(schedule);
    expect(grid).toEqual(schedule.sigmas.map((sigma) => 1 - sigma));
    expect(steps).toHaveLength(4);
    expect(steps[0]?.timestep).toBe(0);
  });

  it('shifts by the size of a picture: 0.5 at 256 tokens, 1.15 at 4096', () => {
    expect(shiftForTokens(256)).toBeCloseTo(0.5, 12);
    expect(shiftForTokens(4096)).toBeCloseTo(1.15, 12);
  });

  it('ends on the level that it is stretched to', () => {
    const shift = { mu: 1.15, type: 'exponential' } as const;
    const { sigmas } = flowMatchSchedule({ steps: 5, grid: 'linear', shift, terminal: 0.02 });
    expect(sigmas[0]).toBe(1);
    expect(sigmas.at(-2)).toBeCloseTo(0.02, 6);
  });
});
