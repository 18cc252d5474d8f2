/** dup-up: an up-sampling without parameters, channels repeated and unfolded into frames and pixels. */
import wgsl from '../../shaders/dup-up.wgsl';
import type { Arrays, Dims } from './kernel.ts';
import { defineKernel, input, optional, output } from './kernel.ts';

/** Returns the dims of a call: x [T, H, W, Cin] -> [ft T - skip, fs H, fs W, Cout]. */
export function dupUpDims(
  [T, H, W, Cin]: readonly [number, number, number, number],
  Cout: number,
  ft: number,
  fs: number,
  skip: number,
): Dims {
  const places = { T, H, W, Cin, To: ft * T - skip, Ho: fs * H, Wo: fs * W, Cout };
  return { ...places, ft, fs, skip, r: (Cout * ft * fs * fs) / Cin };
}

export const dupUp = defineKernel({
  name: 'dup-up',
  wgsl,
  tensors: { x: input(), residual: optional(input()), y: output() },
  uniforms: {
    ...{ H: 'u32', W: 'u32', Cin: 'u32', To: 'u32', Ho: 'u32', Wo: 'u32', Cout: 'u32' },
    ...{ ft: 'u32', fs: 'u32', skip: 'u32', r: 'u32' },
  },
  tune: { LANES: [256, 64] },
  suits: ({ LANES }, { caps }) => !caps.software || LANES === 64,
  choose: (_, { software }) => (software ? { LANES: 64 } : {}),
  derive: (_, { Cin = 1, Cout = 1 }) => ({ RATIO: Cin % Cout === 0 ? Cin / Cout : 0 }),
  over: () => ['residual'],
  grid: ({ To = 1, Ho = 1, Wo = 1, Cout = 1 }, { LANES }) => [
    Math.ceil((To * Ho * Wo * Math.ceil(Cout / 4)) / Number(LANES)),
    1,
    1,
  ],
  cost: ({ T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 }) => ({
    flops: To * Ho * Wo * Cout,
    bytes: 2 * (T * H * W * Cin + 2 * To * Ho * Wo * Cout),
  }),
  shapes: ({ T = 1, H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 }) => ({
    x: [T, H, W, Cin],
    residual: [To, Ho, Wo, Cout],
    y: [To, Ho, Wo, Cout],
  }),
  cpu: dupUpCpu,
  tolerance: { f32: { abs: 1e-6, rel: 1e-6 }, f16: { abs: 1e-3, rel: 1e-3 } },
  cases: [
    { dims: dupUpDims([2, 2, 3, 6], 6, 2, 2, 0), why: 'time and space, same channels' },
    {
      dims: dupUpDims([1, 3, 2, 10], 5, 2, 2, 1),
      absent: ['residual'],
      why: 'first frame left out',
    },
    { dims: dupUpDims([3, 2, 2, 12], 6, 1, 2, 0), why: 'space alone, half the channels' },
    { dims: dupUpDims([3, 2, 2, 12], 6, 1, 2, 0), over: 'residual', why: 'over the residual' },
    { dims: dupUpDims([1, 2, 2, 6], 12, 1, 2, 0), why: 'space alone, twice the channels' },
  ],
  bench: [
    { dims: dupUpDims([2, 60, 104, 1024], 1024, 2, 2, 0), why: 'Wan VAE 2.2, stage 1' },
    { dims: dupUpDims([4, 60, 104, 1024], 512, 1, 2, 0), why: 'Wan VAE 2.2, half the channels' },
  ],
});

function dupUpCpu({ x = new Float32Array(), residual }: Arrays, dims: Dims): Arrays {
  const { H = 1, W = 1, Cin = 1, To = 1, Ho = 1, Wo = 1, Cout = 1 } = dims;
  const { ft = 1, fs = 1, skip = 0, r = 1 } = dims;
  const y = Float32Array.from({ length: To * Ho * Wo * Cout }, (_, i) => {
    const [o, w] = [i % Cout, Math.floor(i / Cout) % Wo];
    const [h, t] = [Math.floor(i / Cout / Wo) % Ho, Math.floor(i / Cout / Wo / Ho) + skip];
    const index = ((o * ft + (t % ft)) * fs + (h % fs)) * fs + (w % fs);
    const pixel = (Math.floor(t / ft) * H + Math.floor(h / fs)) * W + Math.floor(w / fs);
    return x[pixel * Cin + Math.floor(index / r)]! + (residual?.[i] ?? 0);
  });
  return { y };
}
