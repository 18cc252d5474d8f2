/** Frames turned into pixels. */
import { rowsOf } from '../../gpu/tensor.ts';
import { toRgba } from '../../kernels/to-rgba.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

type PixelInputs = Inputs & { readonly x: Tensor };
type PixelAttrs = { readonly scale: number; readonly shift: number };

export const pixelsOp: Op<PixelInputs, PixelAttrs> = {
  name: 'to-rgba',
  lower({ inputs: { x }, attrs, outputs }: Node<PixelInputs, PixelAttrs>) {
    const dims = { pixels: rowsOf(x.shape), ...attrs, alpha: 1 };
    return [{ kernel: toRgba, tensors: { x, y: outputs[0] }, dims }];
  },
};

/** Returns x [..., 3] with values `low` … `high` as opaque RGBA pixels of four bytes, one u32 each: [count of pixels]. */
export function pixels(x: Tensor, low: number, high: number): Tensor {
  checkShape(x.shape.at(-1) === 3, x.graph, 'pixels', x.shape, 'three channels');
  const scale = 1 / (high - low);
  return x.graph.add(pixelsOp, { x }, { scale, shift: -low * scale }, [rowsOf(x.shape)], 'u32');
}
