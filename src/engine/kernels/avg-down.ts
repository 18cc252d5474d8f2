/** avg-down: a down-sampling without parameters, frames and pixels averaged into channels. */
import wgsl from '../../shaders/avg-down.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';

/** Returns the dims of a call: x [T, H, W, Cin] -> [ceil(T / ft), H / fs, W / fs, Cout]. */
export function avgDownDims(
  [T, H, W, Cin]: readonly [number, number, number, number],
  Cout: number,
  ft: number,
  fs: number,
): Dims {
  const To = Math.ceil(T / ft);
  const places = { T, H, W, Cin, To, Ho: H / fs, Wo: W / fs, Cout };
  return { ...places, ft, fs, front: To * ft - T, g: (Cin * ft * fs * fs) / Cout };
}

export const avgDown = defineKernel({
  name: 'avg-down',
  wgsl,
  tensors: { x: input(), residual: optional(input()), y: output() },
  uniforms: {
    ...{ H: 'u32', W: 'u32', Cin: 'u32', To: 'u32', Ho: 'u32', Wo: 'u32', Cout: 'u32' },
    ...{ ft: 'u32', fs: 'u32', front: 'u32', g: 'u32' },
  },
  tune: {},
  over: () => ['residual'],
  grid: ({ To = 1, Ho = 1, Wo = 1, Cout = 1 }) => [
    Math.ceil((To * Ho * Wo * Math.ceil(Cout / 4)) / 64),
    1,
    1,
  ],
  cost: ({ T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 }) => ({
    flops: T * H * W * Cin,
    bytes: 2 * (T * H * W * Cin + 2 * To * Ho * Wo * Cout),
  }),
  shapes: ({ T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 }) => ({
    x: [T, H, W, Cin],
    residual: [To, Ho, Wo, Cout],
    y: [To, Ho, Wo, Cout],
  }),
  cpu: avgDownCpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-6 }, f16: { abs: 1e-3, rel: 1e-3 } },
  cases: [
    {
      dims: avgDownDims([4, 4, 6, 6], 12, 2, 2),
      absent: ['residual'],
      why: 'time and space, runs of 4',
    },
    { dims: avgDownDims([1, 4, 6, 5], 10, 2, 2), why: 'one frame: a zero frame in front' },
    { dims: avgDownDims([2, 6, 4, 6], 6, 1, 2), why: 'space alone' },
    { dims: avgDownDims([2, 6, 4, 6], 6, 1, 2), over: 'residual', why: 'over the residual' },
    { dims: avgDownDims([3, 2, 3, 8], 8, 1, 1), absent: ['residual'], why: 'identity' },
  ],
  bench: [{ dims: avgDownDims([4, 176, 320, 160], 320, 2, 2), why: 'Wan VAE 2.2, stage 1' }],
});

function avgDownCpu({ x = new Float32Array(), residual }: Arrays, dims: Dims): Arrays {
  const { H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 } = dims;
  const { ft = 1, fs = 1, front = 0, g = 1 } = dims;
  const y = new Float32Array(To * Ho * Wo * Cout);
  for (let i = 0; i < To * Ho * Wo; i++) {
    const [t, h, w] = [Math.floor(i / (Wo * Ho)), Math.floor(i / Wo) % Ho, i % Wo];
    const folded: number[] = [];
    for (let c = 0; c < Cin; c++) {
      for (let a = 0; a < ft; a++) {
        for (let b = 0; b < fs; b++) {
          for (let e = 0; e < fs; e++) {
            const from = ft * t + a - front;
            folded.push(from < 0 ? 0 : x[((from * H + fs * h + b) * W + fs * w + e) * Cin + c]!);
          }
        }
      }
    }
    for (let o = 0; o < Cout; o++) {
      const run = folded.slice(o * g, (o + 1) * g);
      y[i * Cout + o] = run.reduce((sum, v) => sum + v, 0) / g + (residual?.[i * Cout + o] ?? 0);
    }
  }
  return { y };
}
