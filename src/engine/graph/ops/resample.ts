/** Frames at another size. */
import type { Filter } from '../../kernels/resample.ts';
import { resample as resampleKernel } from '../../kernels/resample.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

type ResampleInputs = Inputs & { readonly x: Tensor };
type ResampleAttrs = { readonly filter: Filter; readonly height: number; readonly width: number };

export const resampleOp: Op<ResampleInputs, ResampleAttrs> = {
  name: 'resample',
  lower({
    inputs: { x },
    attrs: { filter, height, width },
    outputs,
  }: Node<ResampleInputs, ResampleAttrs>) {
    const [F = 1, H = 1, W = 1, C = 1] = x.shape;
    return [
      {
        kernel: resampleKernel,
        tensors: { x, y: outputs[0] },
        dims: { F, H, W, C, height, width },
        values: { FILTER: filter },
      },
    ];
  },
};

/** Returns frames x [F, H, W, C] at another size: [F, height, width, C]; the border repeats, nothing is antialiased. */
export function resample(x: Tensor, height: number, width: number, filter: Filter): Tensor {
  const [F = 1, H, W, C = 1] = x.shape;
  checkShape(x.shape.length === 4, x.graph, 'resample', x.shape, '[F, H, W, C]');
  if (H === height && W === width) return x;
  return x.graph.add(resampleOp, { x }, { filter, height, width }, [F, height, width, C], x.dtype);
}
