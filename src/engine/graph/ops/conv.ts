/** Convolution over frames, rows and columns, and the memory that causal ones carry from call to call. */
import type { Dtype } from '../../gpu/tensor.ts';
import type { Activation } from '../../kernels/activation.ts';
import type { ConvSizes } from '../../kernels/conv.ts';
import { conv as convKernel, convDims } from '../../kernels/conv.ts';
import { convDirect } from '../../kernels/conv-direct.ts';
import { convMatrix } from '../../kernels/conv-matrix.ts';
import { convTiled } from '../../kernels/conv-tiled.ts';
import { history as historyKernel } from '../../kernels/history.ts';
import type { Dims } from '../../kernels/kernel.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type ConvInputs = Inputs & {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly hist: Tensor | undefined;
  readonly residual: Tensor | undefined;
};

export type ConvAttrs = { readonly dims: Dims; readonly activation: Activation };

/** y = residual + activation(conv(hist ++ x) + bias). */
export const convOp: Op<ConvInputs, ConvAttrs> = {
  name: 'conv',
  riders: ['activation', 'residual'],
  lower({ inputs, attrs, outputs }: Node<ConvInputs, ConvAttrs>) {
    const { x, weight: w, bias, hist, residual } = inputs;
    const tensors = { x, w, hist, bias, residual, y: outputs[0] };
    return [
      {
        kernel: convKernel,
        variants: [convDirect, convMatrix, convTiled],
        tensors,
        dims: attrs.dims,
        values: { ACTIVATION: attrs.activation },
      },
    ];
  },
};

type Triple = readonly [frames: number, rows: number, columns: number];

export type ConvOptions = {
  readonly kernel: Triple;
  readonly stride?: Triple;
  /** Zero frames in front, rows above, columns to the left; default none. */
  readonly before?: Triple;
  /** Zero frames behind, rows below, columns to the right; default none. */
  readonly after?: Triple;
  /** Each pixel of x counts twice along rows and columns; kernel and padding see the doubled picture. */
  readonly upsample?: boolean;
  /** What stands in the frames in front instead of zeros: [before[0], H, W, Cin]. */
  readonly hist?: Tensor | undefined;
  /** Added to the result, which then lies on the residual stream. */
  readonly residual?: Tensor | undefined;
  /** Storage of the result where the graph's own choice would not hold it. */
  readonly dtype?: Dtype | undefined;
};

const NONE: Triple = [0, 0, 0];

/**
 * Returns the convolution of x [T, H, W, Cin] with packed weights [Cout, taps, Cin]: [To, Ho, Wo, Cout].
 * Throws `graph/shape` when channels, history or residual do not fit, or nothing is left.
 */
export function conv(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: ConvOptions,
): Tensor {
  const { graph } = x;
  const { kernel, stride = [1, 1, 1], before = NONE, after = NONE, hist, residual } = options;
  checkShape(
    x.shape.length === 4,
    graph,
    'conv',
    x.shape,
    'four axes: frames, rows, columns, channels',
  );
  const [T = 1, H = 1, W = 1, Cin = 1] = x.shape;
  const [Cout = 1] = weight.shape;
  const fits = weight.shape[1] === kernel[0] * kernel[1] * kernel[2] && weight.shape[2] === Cin;
  checkShape(fits, graph, 'conv weight', weight.shape, `[${Cout}, ${kernel.join(' · ')}, ${Cin}]`);
  const sizes: ConvSizes = {
    ...{ x: [T, H, W, Cin], Cout, kernel, stride, before, after },
    upsample: options.upsample ?? false,
  };
  const dims = convDims(sizes);
  const { To = 0, Ho = 0, Wo = 0 } = dims;
  const shape = [To, Ho, Wo, Cout];
  if (hist) {
    const want = [before[0], H, W, Cin];
    checkShape(
      hist.shape.join() === want.join(),
      graph,
      'conv history',
      hist.shape,
      `[${want.join(', ')}]`,
    );
  }
  if (residual) {
    checkShape(
      residual.shape.join() === shape.join(),
      graph,
      'conv residual',
      residual.shape,
      `[${shape.join(', ')}]`,
    );
  }
  const inputs = { x, weight, bias, hist, residual };
  const dtype = options.dtype ?? (residual ? graph.residual : undefined);
  return graph.add(convOp, inputs, { dims, activation: 'none' }, shape, dtype);
}

export type HistoryInputs = Inputs & { readonly x: Tensor | undefined; readonly hist: Tensor };

/** `fresh`: what hist held before counts as zero. */
export type HistoryAttrs = { readonly fresh: boolean };

export const historyOp: Op<HistoryInputs, HistoryAttrs> = {
  name: 'history',
  lower({ inputs: { x, hist }, attrs }: Node<HistoryInputs, HistoryAttrs>) {
    const [frames = 1, H = 1, W = 1, C = 1] = hist.shape;
    const dims = { T: x?.shape[0] ?? 0, P: H * W, C, frames };
    return [{ kernel: historyKernel, tensors: { x, hist }, dims, values: { FRESH: attrs.fresh } }];
  },
};

/** Updates the external tensor hist [frames, H, W, C] to the last frames of hist ++ x; of zeros ++ x when `fresh`. */
export function remember(hist: Tensor, x: Tensor | undefined, fresh: boolean): void {
  const { graph } = hist;
  const same = !x || x.shape.slice(1).join() === hist.shape.slice(1).join();
  checkShape(same, graph, 'history', hist.shape, `[frames, ${x?.shape.slice(1).join(', ')}]`);
  graph.effect(historyOp, { x, hist }, { fresh });
}
