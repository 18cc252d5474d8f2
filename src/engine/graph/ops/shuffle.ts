/** Changes of resolution that move values between channels, pixels and frames, without weights. */
import { EngineError } from '../../gpu/errors.ts';
import { avgDown as avgDownKernel, avgDownDims } from '../../kernels/avg-down.ts';
import { dupUp as dupUpKernel, dupUpDims } from '../../kernels/dup-up.ts';
import type { Dims } from '../../kernels/kernel.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';

export type ShuffleInputs = Inputs & {
  readonly x: Tensor;
  readonly residual: Tensor | undefined;
};

export const avgDownOp: Op<ShuffleInputs, Dims> = {
  name: 'avg-down',
  riders: ['residual'],
  lower({ inputs: { x, residual }, attrs, outputs }: Node<ShuffleInputs, Dims>) {
    return [{ kernel: avgDownKernel, tensors: { x, residual, y: outputs[0] }, dims: attrs }];
  },
};

export const dupUpOp: Op<ShuffleInputs, Dims> = {
  name: 'dup-up',
  riders: ['residual'],
  lower({ inputs: { x, residual }, attrs, outputs }: Node<ShuffleInputs, Dims>) {
    return [{ kernel: dupUpKernel, tensors: { x, residual, y: outputs[0] }, dims: attrs }];
  },
};

/** Frames and pixels that one step of the coarser grid holds, along each axis. */
export type Factors = { readonly time: number; readonly space: number };

/**
 * Returns x [T, H, W, Cin] with frames and pixels folded into the channels and neighbouring channels averaged:
 * [ceil(T / time), H / space, W / space, channels]. Zero frames stand in front when `time` does not divide T.
 */
export function avgDown(x: Tensor, channels: number, { time, space }: Factors): Tensor {
  const [T = 1, H = 1, W = 1, C = 1] = x.shape;
  const dims = avgDownDims([T, H, W, C], channels, time, space);
  return shuffled(avgDownOp, x, dims, dims['g']);
}

/**
 * Returns x [T, H, W, Cin] with channels repeated and unfolded into frames and pixels:
 * [time · T − skip, space · H, space · W, channels], the first `skip` frames left out.
 */
export function dupUp(x: Tensor, channels: number, { time, space }: Factors, skip: number): Tensor {
  const [T = 1, H = 1, W = 1, C = 1] = x.shape;
  const dims = dupUpDims([T, H, W, C], channels, time, space, skip);
  return shuffled(dupUpOp, x, dims, dims['r']);
}

function shuffled(
  op: Op<ShuffleInputs, Dims>,
  x: Tensor,
  dims: Dims,
  run: number | undefined,
): Tensor {
  const { To = 0, Ho = 0, Wo = 0, Cout = 0 } = dims;
  if (![run, To, Ho, Wo].every(Number.isInteger)) {
    throw new EngineError(
      'graph/shape',
      `${op.name} in ${x.graph.scope} — got [${x.shape.join(', ')}], does not divide into [${To}, ${Ho}, ${Wo}, ${Cout}]`,
    );
  }
  return x.graph.add(op, { x, residual: undefined }, dims, [To, Ho, Wo, Cout], x.dtype);
}
