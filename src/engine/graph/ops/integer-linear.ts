/** Matrix product on integers: the rows of x are quantised first, each with a scale of its own. */
import { matmulDp4a } from '../../kernels/matmul-dp4a.ts';
import { matmulMatrixInt8 } from '../../kernels/matmul-matrix-int8.ts';
import { quantiseRows } from '../../kernels/quantise-rows.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import type { Op } from '../graph.ts';
import type { LinearAttrs, LinearInputs } from './linear.ts';
import { linearOp } from './linear.ts';

/** As `linear`, with a quantised weight and the outputs y, integers of x [M, K], and their scales [M, 1]. */
export const integerLinearOp: Op<LinearInputs, LinearAttrs> = {
  name: 'integer-linear',
  lower(node) {
    const { inputs, outputs } = node;
    const [, q, xScale] = outputs;
    const rows = { M: rowsOf(inputs.x.shape), K: inputs.x.shape.at(-1) ?? 1 };
    const quantised = { x: inputs.x, q, scale: xScale };
    const products = linearOp.lower(node).map(({ tensors, dims, values = {} }) => ({
      ...{ kernel: matmulDp4a, variants: [matmulMatrixInt8], dims, values },
      tensors: { ...tensors, x: q, xScale },
    }));
    return [{ kernel: quantiseRows, tensors: quantised, dims: rows }, ...products];
  },
};
