import { describe, expect, it } from 'vitest';
import type { Shape } from '../../src/engine/gpu/tensor.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import type { Tensor } from '../../src/engine/graph/graph.ts';
import {
  concat,
  patchify,
  permute,
  rearrange,
  reshape,
  slice,
  unpatchify,
} from '../../src/engine/graph/ops/layout.ts';
import { given, runGraph } from '../helpers/graph.ts';
import { testGpus } from '../helpers/devices.ts';

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** Values 0, 1, 2, … of `shape` in; what `build` makes of them out, with how many dispatches that took. */
async function run(
  open: { gpu(): Promise<import('../../src/engine/gpu/device.ts').Gpu> },
  shape: Shape,
  build: (x: Tensor) => Tensor,
): Promise<{ values: number[]; shape: Shape; nodes: number }> {
  const gpu = await open.gpu();
  const graph = new Graph({ precision: 'f32' });
  const x = given(gpu, graph, 'x', count(shape.reduce((a, b) => a * b, 1)), shape);
  const y = build(x);
  const nodes = graph.nodes.length;
  // A result must be an activation: copy it through one more op when it is the input itself.
  graph.result('y', nodes === 0 ? slice(concat([y, y], 0), 0, 0, y.shape[0] ?? 1) : y);
  return { values: [...((await runGraph(gpu, graph))['y'] ?? [])], shape: y.shape, nodes };
}

describe.each(testGpus())('layout ops on $name', (open) => {
  it('permute puts axis order[i] at i', async () => {
    const { values, shape } = await run(open, [2, 3, 5], (x) => permute(x, [2, 0, 1]));
    expect(shape).toEqual([5, 2, 3]);
    const want = count(5).flatMap((c) =>
      count(2).flatMap((a) => count(3).map((b) => (a * 3 + b) * 5 + c)),
    );
    expect(values).toEqual(want);
  });

  it.each([0, 1, 2])('slice takes entries of axis %i', async (axis) => {
    const lengths = [4, 5, 6];
    const { values } = await run(open, lengths, (x) => slice(x, axis, 1, 3));
    const want = count(120).filter((i) => {
      const at = [Math.floor(i / 30), Math.floor(i / 6) % 5, i % 6][axis] ?? 0;
      return at >= 1 && at < 4;
    });
    expect(values).toEqual(want);
  });

  it.each([
    [[6, 4], [2, 3, 4], 0],
    [[3, 8], [3, 2, 4], 0],
    [[2, 3], [6, 1], 1],
    [[3, 10], [3, 5, 2], 1],
    [[4, 3, 2], [2, 2, 6], 1],
  ])('reshape [%o] to %o keeps the order of values, with %i copies', async (from, to, copies) => {
    const { values, shape, nodes } = await run(open, from, (x) => reshape(x, to));
    expect(shape).toEqual(to);
    expect(values).toEqual(count(values.length));
    expect(nodes).toBe(copies);
  });

  it('refuses to reshape where no common factors are', async () => {
    await expect(run(open, [2, 3], (x) => reshape(x, [3, 2]))).rejects.toMatchObject({
      code: 'graph/shape',
    });
  });

  it('patchify orders a patch by channel, then row, then column', async () => {
    const [F, H, W, C] = [2, 4, 6, 3];
    const { values, shape } = await run(open, [F, H, W, C], (x) =>
      patchify(x, { pt: 1, ph: 2, pw: 2 }),
    );
    expect(shape).toEqual([12, 12]);
    const want = count(F).flatMap((f) =>
      count(H / 2).flatMap((h) =>
        count(W / 2).flatMap((w) =>
          count(C).flatMap((c) =>
            count(2).flatMap((p) =>
              count(2).map((q) => ((f * H + 2 * h + p) * W + 2 * w + q) * C + c),
            ),
          ),
        ),
      ),
    );
    expect(values).toEqual(want);
  });

  it('unpatchify reads a patch by frame, row, column, then channel', async () => {
    const [f, h, w, C] = [2, 2, 3, 5];
    const { values, shape } = await run(open, [f * h * w, 8 * C], (x) =>
      unpatchify(x, [f, h, w], { pt: 2, ph: 2, pw: 2 }),
    );
    expect(shape).toEqual([4, 4, 6, C]);
    const want = count(4 * 4 * 6 * C).map((i) => {
      const [c, x, y, t] = [
        i % C,
        Math.floor(i / C) % 6,
        Math.floor(i / C / 6) % 4,
        Math.floor(i / C / 24),
      ];
      const token = ((t >> 1) * h + (y >> 1)) * w + (x >> 1);
      return token * 8 * C + (((t & 1) * 2 + (y & 1)) * 2 + (x & 1)) * C + c;
    });
    expect(values).toEqual(want);
  });

  it('rearrange repeats a name that stands only on the right', async () => {
    const { values, shape } = await run(open, [2, 3], (x) =>
      rearrange(x, 'a b -> (a n) (b m)', { n: 2, m: 2 }),
    );
    expect(shape).toEqual([4, 6]);
    expect(values).toEqual([
      0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5,
    ]);
  });

  it.each([
    ['a b -> a', 'loses b'],
    ['a b c -> a b c', 'names 3 axes'],
    ['(a n) b -> a n b', 'needs the length of n'],
    ['a b -> b a c', 'does not know c'],
    ['a b -> a b b', 'shows b twice'],
    ['a b', 'needs one "->"'],
  ])('rearrange refuses %s', async (pattern, why) => {
    await expect(run(open, [2, 3], (x) => rearrange(x, pattern))).rejects.toThrow(why);
  });

  it.each([0, 1, 2])('concat of five parts, one of them twice, along axis %i', async (axis) => {
    const { values } = await run(open, [2, 3, 4], (x) => {
      const parts = [x, slice(x, axis, 0, 1), x, slice(x, axis, 1, 1), x];
      return concat(parts, axis);
    });
    const along = [2, 3, 4][axis] ?? 0;
    const order = [...count(along), 0, ...count(along), 1, ...count(along)];
    const shape = [2, 3, 4].map((n, i) => (i === axis ? order.length : n));
    const want = count(values.length).map((i) => {
      const at = [
        Math.floor(i / (shape[2]! * shape[1]!)),
        Math.floor(i / shape[2]!) % shape[1]!,
        i % shape[2]!,
      ];
      at[axis] = order[at[axis]!]!;
      return (at[0]! * 3 + at[1]!) * 4 + at[2]!;
    });
    expect(values).toEqual(want);
  });
});
