/** Pictures as I2VGen-XL and DynamiCrafter prepare them. */
import type { Raster } from '../../../src/engine/image/resize.ts';
import { clipSqueeze } from '../../../src/engine/image/clip-squeeze.ts';
import { clipPicture } from '../../../src/engine/models/dynamicrafter/picture.ts';
import { preparePicture } from '../../../src/engine/models/i2vgenxl/picture.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output, Values } from '../case.ts';
import { numberIn } from '../json.ts';

/** Indices n of inputs called in.n.`name`. */
const inputs = (names: readonly string[], name: string): string[] =>
  names.flatMap((each) => new RegExp(`^in\\.(\\d+)\\.${name}$`).exec(each)?.[1] ?? []);

export const i2vgenPictures: Checker = {
  matches: ({ clip_side: side }, io) => typeof side === 'number' && inputs(io, 'rgb_u8').length > 0,
  async run({ config, io }) {
    const size = {
      width: numberIn(config, 'width'),
      height: numberIn(config, 'height'),
      clipSide: numberIn(config, 'clip_side'),
      exact: true,
    };
    const outputs: Output[] = [];
    for (const n of inputs(io.names(), 'rgb_u8')) {
      const { video, clip, bytes } = preparePicture(bytesOf(await io.read(`in.${n}.rgb_u8`)), size);
      outputs.push(
        exact(`out.${n}.vae_crop_u8`, bytes.video.data),
        exact(`act.${n}.square_u8`, bytes.square.data),
        exact(`out.${n}.clip_u8`, bytes.clip.data),
        floats(`out.${n}.vae_input`, channelsFirst(video.data, 3)),
        floats(`out.${n}.clip_input`, channelsFirst(clip.data, 3)),
      );
    }
    return outputs;
  },
};

export const dynamiCrafterPictures: Checker = {
  matches: ({ side }, io) => typeof side === 'number' && inputs(io, 'image').length > 0,
  async run({ config, io }: CaseContext) {
    const side = numberIn(config, 'side');
    const outputs: Output[] = [];
    for (const n of inputs(io.names(), 'image')) {
      const { values, shape } = await io.read(`in.${n}.image`);
      const [, channels = 3, height = 1, width = 1] = shape;
      const picture = { width, height, channels, data: channelsLast(values, shape) };
      const squeezed = clipSqueeze(picture, side).data;
      outputs.push(
        floats(`out.${n}.clip_input`, channelsFirst(clipPicture(picture, side).data, channels)),
        floats(`act.${n}.resized`, channelsFirst(squeezed, channels)),
      );
    }
    return outputs;
  },
};

function bytesOf({ values, shape }: Values): Raster<Uint8ClampedArray> {
  const [height = 1, width = 1, channels = 3] = shape;
  return { width, height, channels, data: Uint8ClampedArray.from(values) };
}

const floats = (name: string, values: Float32Array): Output => ({
  name,
  values,
  measure: 'network',
});

/** Held to every bit: a difference of one in 255 anywhere is far above the bar of a trajectory. */
const exact = (name: string, bytes: Uint8ClampedArray): Output => ({
  name,
  values: Float32Array.from(bytes),
  measure: 'trajectory',
});
