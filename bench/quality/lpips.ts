/**
 * The learned distance of pictures, LPIPS (Zhang et al. 2018) with AlexNet, in plain loops: differences of normalised
 * features at five depths, weighted as people judged them. The weights are not ours to bring: torchvision's
 * `alexnet-owt-7be5be79.pth` and the `alex.pth` of the `lpips` package, or one file of `LPIPS(net='alex')`.
 */
import type { Pixels } from './metrics.ts';

/** Values of a tensor by its name in the files; undefined where there is none. */
export type ReadTensor = (
  name: string,
) => Promise<{ readonly shape: readonly number[]; readonly values: Float32Array } | undefined>;

type Map2d = {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
};

/** Output channels, inputs, side, stride and padding of AlexNet's convolutions, and whether pooling stands before. */
const LAYERS = [
  { at: 0, slice: 1, stride: 4, padding: 2, pooled: false },
  { at: 3, slice: 2, stride: 1, padding: 2, pooled: true },
  { at: 6, slice: 3, stride: 1, padding: 1, pooled: true },
  { at: 8, slice: 4, stride: 1, padding: 1, pooled: false },
  { at: 10, slice: 5, stride: 1, padding: 1, pooled: false },
] as const;

/** What pictures in -1 … 1 are shifted and scaled by before AlexNet. */
const SHIFT = [-0.03, -0.088, -0.188];
const SCALE = [0.458, 0.448, 0.45];

export type Layer = {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly outs: number;
  readonly ins: number;
  readonly side: number;
  readonly stride: number;
  readonly padding: number;
};

/** Returns how far apart people would find two pictures of one size, 0 for the same. */
export type Distance = (a: Pixels, b: Pixels) => number;

/** Resolves to the learned distance. Throws an `Error` naming a tensor that is missing. */
export async function openLpips(read: ReadTensor): Promise<Distance> {
  const need = async (...names: string[]) => {
    for (const name of names) {
      const found = await read(name);
      if (found) return found;
    }
    throw new Error(`LPIPS — got no tensor ${names.join(' or ')} — give AlexNet and alex.pth`);
  };
  const layers: { layer: Layer; judged: Float32Array; pooled: boolean }[] = [];
  for (const [i, { at, slice, stride, padding, pooled }] of LAYERS.entries()) {
    const named = (part: string) =>
      need(`features.${at}.${part}`, `net.slice${slice}.${at}.${part}`);
    const { shape, values: weight } = await named('weight');
    const [outs = 0, ins = 0, side = 0] = shape;
    const { values: bias } = await named('bias');
    const { values: judged } = await need(`lin${i}.model.1.weight`);
    layers.push({ layer: { weight, bias, outs, ins, side, stride, padding }, judged, pooled });
  }
  const features = (picture: Pixels): Map2d[] => {
    let x = prepared(picture);
    return layers.map(({ layer, pooled }) => (x = convolved(pooled ? maxPooled(x) : x, layer)));
  };
  return (a, b) => {
    const [fa, fb] = [features(a), features(b)];
    return layers.reduce((sum, { judged }, i) => sum + apart(fa[i], fb[i], judged), 0);
  };
}

function prepared({ width, height, channels, data }: Pixels): Map2d {
  const planes = new Float32Array(3 * width * height);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < width * height; i++) {
      const value = (data[i * channels + c] ?? 0) / 127.5 - 1;
      planes[c * width * height + i] = (value - (SHIFT[c] ?? 0)) / (SCALE[c] ?? 1);
    }
  }
  return { channels: 3, width, height, data: planes };
}

/** Convolution and ReLU. */
export function convolved(x: Map2d, layer: Layer): Map2d {
  const { weight, bias, outs, ins, side, stride, padding } = layer;
  const width = Math.floor((x.width + 2 * padding - side) / stride) + 1;
  const height = Math.floor((x.height + 2 * padding - side) / stride) + 1;
  const data = new Float32Array(outs * width * height);
  for (let o = 0; o < outs; o++) {
    const plane = data.subarray(o * width * height, (o + 1) * width * height).fill(bias[o] ?? 0);
    for (let i = 0; i < ins; i++) {
      for (let ky = 0; ky < side; ky++) {
        for (let kx = 0; kx < side; kx++) {
          const factor = weight[((o * ins + i) * side + ky) * side + kx] ?? 0;
          for (let row = 0; row < height; row++) {
            const fromRow = row * stride + ky - padding;
            if (fromRow < 0 || fromRow >= x.height) continue;
            const from = (i * x.height + fromRow) * x.width + kx - padding;
            const first = Math.max(0, Math.ceil((padding - kx) / stride));
            const last = Math.min(width, Math.floor((x.width - 1 + padding - kx) / stride) + 1);
            for (let column = first; column < last; column++) {
              const at = row * width + column;
              plane[at] = (plane[at] ?? 0) + factor * (x.data[from + column * stride] ?? 0);
            }
          }
        }
      }
    }
    for (let i = 0; i < plane.length; i++) plane[i] = Math.max(0, plane[i] ?? 0);
  }
  return { channels: outs, width, height, data };
}

/** The largest of windows of 3 × 3, two apart. */
function maxPooled({ channels, width, height, data }: Map2d): Map2d {
  const [w, h] = [Math.floor((width - 3) / 2) + 1, Math.floor((height - 3) / 2) + 1];
  const pooled = new Float32Array(channels * w * h);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) {
        let most = -Infinity;
        for (let k = 0; k < 9; k++) {
          const at = (c * height + 2 * row + Math.floor(k / 3)) * width + 2 * column + (k % 3);
          most = Math.max(most, data[at] ?? 0);
        }
        pooled[(c * h + row) * w + column] = most;
      }
    }
  }
  return { channels, width: w, height: h, data: pooled };
}

/** Mean over all places of the judged, squared differences of features of length one. */
function apart(a: Map2d | undefined, b: Map2d | undefined, judged: Float32Array): number {
  if (!a || !b) return 0;
  const places = a.width * a.height;
  let sum = 0;
  for (let i = 0; i < places; i++) {
    const [la, lb] = [lengthAt(a, i, places), lengthAt(b, i, places)];
    for (let c = 0; c < a.channels; c++) {
      const difference = (a.data[c * places + i] ?? 0) / la - (b.data[c * places + i] ?? 0) / lb;
      sum += (judged[c] ?? 0) * difference ** 2;
    }
  }
  return sum / places;
}

function lengthAt({ channels, data }: Map2d, i: number, places: number): number {
  let sum = 0;
  for (let c = 0; c < channels; c++) sum += (data[c * places + i] ?? 0) ** 2;
  return Math.sqrt(sum) + 1e-10;
}
