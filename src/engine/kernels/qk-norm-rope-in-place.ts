/** qk-norm-rope-in-place: queries and keys normed and turned where they lie. */
import wgsl from '../../shaders/qk-norm-rope-in-place.wgsl';
import { defineKernel, inout } from './kernel.ts';
import { qkNormRope } from './qk-norm-rope.ts';

const { weight, table } = qkNormRope.tensors;

/** Whether each value depends on its own group of four alone, but for the row's mean. */
const isNear = ({ values }: (typeof qkNormRope.cases)[number]): boolean =>
  values?.['PAIRING'] === 'interleaved';

export const qkNormRopeInPlace = defineKernel({
  ...qkNormRope,
  name: 'qk-norm-rope-in-place',
  wgsl,
  tensors: { x: inout(), weight, table },
  shapes(dims) {
    const { y: _, ...shapes } = qkNormRope.shapes(dims);
    return shapes;
  },
  cpu(inputs, dims, values) {
    const { y: x = new Float32Array() } = qkNormRope.cpu(inputs, dims, values);
    return { x };
  },
  cases: qkNormRope.cases.filter(isNear),
  bench: qkNormRope.bench.filter(isNear),
});
