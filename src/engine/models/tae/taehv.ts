/**
 * TAEHV: tiny autoencoders of videos, causal in time. Frames [T, H, W, 3] are RGB in 0 … 1, latents as the diffusion
 * model sees them. A stream of chunks gives what the whole clip at once would: memory blocks keep their last frame.
 * Reference: github.com/madebyollin/taehv, taehv.py.
 */
import type { Tensor } from '../../graph/graph.ts';
import { remember } from '../../graph/ops/conv.ts';
import { add, relu } from '../../graph/ops/elementwise.ts';
import { concat, rearrange, slice } from '../../graph/ops/layout.ts';
import { conv2d } from '../../nn/convolutions.ts';
import type { Stream } from '../../nn/histories.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import type { LayerTap } from '../../nn/sequential.ts';
import { plain, sequential } from '../../nn/sequential.ts';
import type { Checkpoint } from './names.ts';
import { lengthOf } from './names.ts';
import { softClamp } from './taesd.ts';

type Triple = readonly [number, number, number];

export type TaehvConfig = {
  readonly patch: number;
  readonly latentChannels: number;
  readonly encoderWidth: number;
  readonly decoderWidths: readonly [number, number, number, number];
  /** Frames that each pooling layer of the encoder takes for one. */
  readonly pools: Triple;
  /** Frames that each growing layer of the decoder makes of one. */
  readonly grows: Triple;
};

const product = ([a, b, c]: Triple): number => a * b * c;

/** Frames of a clip for one latent. */
export const framesPerLatent = ({ pools }: TaehvConfig): number => product(pools);

/** Frames at the start of a decoded clip that stand for nothing. */
export const trimmedFrames = ({ grows }: TaehvConfig): number => product(grows) - 1;

/** Returns the sizes that the tensors of an autoencoder show. Throws `weights/missing`. */
export function taehvConfigOf(store: Checkpoint): TaehvConfig {
  const at = (name: string, axis: number): number => lengthOf(store, `${name}.weight`, axis);
  const ratio = (name: string, of: number): number => at(name, of) / at(name, 1 - of);
  return {
    patch: Math.sqrt(at('encoder.0', 1) / 3),
    latentChannels: at('decoder.1', 1),
    encoderWidth: at('encoder.0', 0),
    decoderWidths: [
      at('decoder.1', 0),
      at('decoder.8', 0),
      at('decoder.14', 0),
      at('decoder.20', 0),
    ],
    pools: [ratio('encoder.2.conv', 1), ratio('encoder.7.conv', 1), ratio('encoder.12.conv', 1)],
    grows: [ratio('decoder.7.conv', 0), ratio('decoder.13.conv', 0), ratio('decoder.19.conv', 0)],
  };
}

/** The frames before each frame of x: what the stream kept or zeros, then x without its last. */
function framesBefore(stream: Stream, key: string, x: Tensor): Tensor {
  const { graph, shape } = x;
  const [T = 1, H = 1, W = 1, C = 1] = shape;
  const hist = stream.part === 'image' ? undefined : stream.history(graph, key, [1, H, W, C]);
  const zeros = (): Tensor =>
    graph.constant('zeros', new Float32Array(H * W * C), [1, H, W, C], x.dtype);
  const first = hist && stream.part === 'next' ? hist : zeros();
  const past = T > 1 ? concat([first, slice(x, 0, 0, T - 1)], 0) : first;
  return past;
}

/** A residual block that sees each frame and the one before it. */
const memoryBlock =
  (stream: Stream, width: number): Module<Layer> =>
  (scope) => {
    const conv = (index: number, ins: number): Layer =>
      conv2d({ in: ins, out: width, kernel: 3 })(scope.child(`conv.${index}`));
    const [first, second, third] = [conv(0, 2 * width), conv(2, width), conv(4, width)];
    return (x) => {
      const both = concat([x, framesBefore(stream, scope.path, x)], 3); // [T, H, W, 2 width]
      const h = third(relu(second(relu(first(both)))));
      if (stream.part !== 'image') {
        const kept = stream.history(scope.graph, scope.path, [1, ...x.shape.slice(1)]);
        remember(kept, x, stream.part === 'first');
      }
      return relu(add(h, x));
    };
  };

const pointwise = (ins: number, out: number): Module<Layer> =>
  linear({ in: ins, out, bias: false, stored: [out, ins, 1, 1] });

/** k frames become one: [k T, H, W, C] -> [T, H, W, C]. */
const timePool =
  (width: number, k: number): Module<Layer> =>
  (scope) => {
    const conv = pointwise(k * width, width)(scope.child('conv'));
    return (x) => conv(rearrange(x, '(t k) h w c -> t h w (k c)', { k }));
  };

/** One frame becomes k: [T, H, W, C] -> [k T, H, W, C]. */
const timeGrow =
  (width: number, k: number): Module<Layer> =>
  (scope) => {
    const conv = pointwise(width, k * width)(scope.child('conv'));
    return (x) => rearrange(conv(x), 't h w (k c) -> (t k) h w c', { k });
  };

/** Frames [T, H, W, 3], T a multiple of `framesPerLatent` -> latents [T / framesPerLatent, …, latentChannels]. */
export const taehvEncoder = (config: TaehvConfig, stream: Stream): Module<Layer> => {
  const { encoderWidth: width, patch, pools } = config;
  const memory = memoryBlock(stream, width);
  const down = conv2d({ in: width, out: width, kernel: 3, stride: 2, bias: false });
  const layers = sequential({
    0: conv2d({ in: 3 * patch ** 2, out: width, kernel: 3 }),
    1: plain(relu),
    2: timePool(width, pools[0]),
    3: down,
    ...{ 4: memory, 5: memory, 6: memory },
    7: timePool(width, pools[1]),
    8: down,
    ...{ 9: memory, 10: memory, 11: memory },
    12: timePool(width, pools[2]),
    13: down,
    ...{ 14: memory, 15: memory, 16: memory },
    17: conv2d({ in: width, out: config.latentChannels, kernel: 3 }),
  });
  return (scope) => {
    const run = layers(scope);
    const fold = 't (h p) (w q) c -> t h w (c p q)';
    return (frames) => run(patch === 1 ? frames : rearrange(frames, fold, { p: patch, q: patch }));
  };
};

/** Latents [n, h, w, latentChannels] -> frames, the trimmed ones at the start of a stream among them, not clamped. */
export const taehvDecoder = (
  config: TaehvConfig,
  stream: Stream,
): Module<(z: Tensor, tap?: LayerTap) => Tensor> => {
  const { decoderWidths: w, grows, patch } = config;
  const memory = (width: number): Module<Layer> => memoryBlock(stream, width);
  const up = (ins: number, out: number): Module<Layer> =>
    conv2d({ in: ins, out, kernel: 3, upsample: true, bias: false });
  const layers = sequential({
    0: plain(softClamp),
    1: conv2d({ in: config.latentChannels, out: w[0], kernel: 3 }),
    2: plain(relu),
    ...{ 3: memory(w[0]), 4: memory(w[0]), 5: memory(w[0]) },
    7: timeGrow(w[0], grows[0]),
    8: up(w[0], w[1]),
    ...{ 9: memory(w[1]), 10: memory(w[1]), 11: memory(w[1]) },
    13: timeGrow(w[1], grows[1]),
    14: up(w[1], w[2]),
    ...{ 15: memory(w[2]), 16: memory(w[2]), 17: memory(w[2]) },
    19: timeGrow(w[2], grows[2]),
    20: up(w[2], w[3]),
    21: plain(relu),
    22: conv2d({ in: w[3], out: 3 * patch ** 2, kernel: 3 }),
  });
  return (scope) => {
    const run = layers(scope);
    const unfold = 't h w (c p q) -> t (h p) (w q) c';
    return (z, tap) => {
      const raw = run(z, tap);
      return patch === 1 ? raw : rearrange(raw, unfold, { p: patch, q: patch });
    };
  };
};
