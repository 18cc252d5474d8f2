/** The first block of a 3-D UNet with random weights: frames by themselves, then along the frames, each with attention. */
import type { Tensor } from '../../src/engine/graph/graph.ts';
import { resnet, temporalConv } from '../../src/engine/models/unet3d/blocks.ts';
import {
  spatialTransformer,
  temporalTransformer,
} from '../../src/engine/models/unet3d/transformers.ts';
import { block, Scope } from '../../src/engine/nn/module.ts';
import type { Operator } from './operator.ts';

type Sizes = {
  /** Frames, rows, columns and channels. */
  readonly x: readonly [number, number, number, number];
  readonly groups: number;
  readonly headWidth: number;
  readonly embedding: number;
  /** Tokens of text. */
  readonly tokens: number;
};

/** x and the activated time embedding; keys and values of the text stand ready. */
export function unetOperator({
  x: shape,
  groups,
  headWidth,
  embedding,
  tokens,
}: Sizes): Operator<'x' | 'time' | 'k' | 'v'> {
  const [, , , C] = shape;
  const seeded = (of: readonly number[], seed: number) => ({
    shape: of,
    fill: { seed, scale: 1 },
  });
  const network = block(
    {
      resnets: resnet(groups, { in: C, out: C, embedding }),
      temp_convs: temporalConv(groups, C),
      attentions: spatialTransformer(groups, C, headWidth),
      temp_attentions: temporalTransformer(groups, C, { heads: C / headWidth, headWidth }),
    },
    (m, x: Tensor, time: Tensor, k: Tensor, v: Tensor) => {
      const seen = m.temp_convs(m.resnets(x, time));
      return m.temp_attentions(m.attentions(seen, { text: { k, v }, image: undefined }));
    },
  );
  return {
    name: `UNet block ${shape.join('×')}`,
    operands: {
      x: seeded(shape, 16),
      time: seeded([1, embedding], 17),
      k: seeded([tokens, C], 18),
      v: seeded([tokens, C], 19),
    },
    result: shape,
    exact: ['time'],
    build: (graph, { x, time, k, v }) => network(new Scope(graph))(x, time, k, v),
  };
}
