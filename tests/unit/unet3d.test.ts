import { describe, expect, it } from 'vitest';
import { centreCrop, coverCrop } from '../../src/engine/image/cover-crop.ts';
import { clipSqueeze } from '../../src/engine/image/clip-squeeze.ts';
import { parseParams } from '../../src/engine/models/dynamicrafter/params.ts';
import { conditionChannels, picturesOf } from '../../src/engine/models/dynamicrafter/request.ts';
import { ownTokens } from '../../src/engine/models/dynamicrafter/tokens.ts';
import { variantParams } from '../../src/engine/models/dynamicrafter/variants.ts';
import { renameOpenClipText } from '../../src/engine/models/openclip/names.ts';
import { transformerPlaces } from '../../src/engine/models/unet3d/config.ts';
import { lvdmName, renameLvdmUnet } from '../../src/engine/models/unet3d/names.ts';

const RELEASED = parseParams(variantParams('512'));

describe('names of the original code', () => {
  it.each([
    ['conv_in.weight', 'input_blocks.0.0.weight'],
    ['transformer_in.proj_in.weight', 'init_attn.0.proj_in.weight'],
    ['down_blocks.0.resnets.0.norm1.weight', 'input_blocks.1.0.in_layers.0.weight'],
    ['down_blocks.0.temp_convs.1.conv4.3.bias', 'input_blocks.2.0.temopral_conv.conv4.3.bias'],
    ['down_blocks.0.downsamplers.0.conv.bias', 'input_blocks.3.0.op.bias'],
    ['down_blocks.2.temp_attentions.1.norm.bias', 'input_blocks.8.2.norm.bias'],
    ['mid_block.resnets.1.conv2.bias', 'middle_block.3.out_layers.3.bias'],
    ['mid_block.attentions.0.proj_in.bias', 'middle_block.1.proj_in.bias'],
    ['up_blocks.0.upsamplers.0.conv.bias', 'output_blocks.2.1.conv.bias'],
    ['up_blocks.1.upsamplers.0.conv.bias', 'output_blocks.5.3.conv.bias'],
    ['up_blocks.3.resnets.2.conv_shortcut.bias', 'output_blocks.11.0.skip_connection.bias'],
    ['conv_out.bias', 'out.2.bias'],
  ])('%s is %s', (own, original) => {
    expect(lvdmName(RELEASED.unet, own)).toBe(original);
  });

  it('find the halves of gated layers in one tensor', () => {
    const rename = renameLvdmUnet(RELEASED.unet);
    const at = 'mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj';
    const name = 'middle_block.1.transformer_blocks.0.ff.net.0.proj.weight';
    expect(rename(`${at}.value.weight`)).toEqual({ name, part: 0, of: 2 });
    expect(rename(`${at}.gate.weight`)).toEqual({ name, part: 1, of: 2 });
  });

  it('find q, k and v of OpenCLIP in one tensor', () => {
    const rename = renameOpenClipText(1024, 'cond_stage_model.model.');
    expect(rename('text_model.encoder.layers.3.self_attn.k_proj.bias')).toEqual({
      name: 'cond_stage_model.model.transformer.resblocks.3.attn.in_proj_bias',
      rows: [1024, 2048],
    });
  });
});

describe('the released DynamiCrafter', () => {
  it('has sixteen spatial transformers', () => {
    const places = transformerPlaces(RELEASED.unet);
    expect(places).toHaveLength(16);
    expect(places.at(-1)).toEqual({ name: 'up_blocks.3.attentions.2', width: 320 });
    expect(places.some(({ name }) => name.startsWith('down_blocks.3'))).toBe(false);
  });

  it('gives each of sixteen frames its own image tokens', () => {
    expect(ownTokens(333, 16)).toBe(true);
    expect(ownTokens(333, 15)).toBe(false);
  });
});

describe('pictures of a clip', () => {
  const picture = { width: 64, height: 64, channels: 3, data: new Float32Array(64 * 64 * 3) };

  it('stand in every frame, or at the ends', () => {
    const [a, b] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    expect([...conditionChannels('video', [a], 3)]).toEqual([1, 2, 1, 2, 1, 2]);
    expect([...conditionChannels('loop', [a], 3)]).toEqual([1, 2, 0, 0, 1, 2]);
    expect([...conditionChannels('interpolation', [a, b], 3)]).toEqual([1, 2, 0, 0, 3, 4]);
  });

  it.each([
    ['clip/image', { mode: 'interpolation', image: picture }],
    ['clip/image', { mode: 'loop', image: picture, lastImage: picture }],
    ['clip/size', { image: { ...picture, width: 48 } }],
    ['clip/size', { mode: 'interpolation', image: picture, lastImage: { ...picture, width: 128 } }],
  ] as const)('are refused as %s', (code, request) => {
    expect(() => picturesOf({ prompt: [], ...request }, 64)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('cover the frame, unless the rounding of the original is kept', () => {
    const white = (width: number, height: number) => ({
      ...{ width, height, channels: 1 },
      data: new Uint8ClampedArray(width * height).fill(255),
    });
    for (const [width, height] of [
      [201, 151],
      [96, 133],
      [320, 180],
      [10, 7],
    ] as const) {
      const cut = coverCrop(white(width, height), { width: 24, height: 16 });
      expect(cut.data.every((value) => value === 255)).toBe(true);
    }
    const small = centreCrop(white(2, 2), { width: 4, height: 2 });
    expect([...small.data]).toEqual([0, 255, 255, 0, 0, 255, 255, 0]);
  });

  it('keep their corners when CLIP squeezes them', () => {
    const ramp = {
      width: 4,
      height: 3,
      channels: 1,
      data: Float32Array.from({ length: 12 }, (_, i) => i),
    };
    const { data } = clipSqueeze(ramp, 9);
    expect([data[0], data[8], data[72], data[80]]).toEqual([0, 3, 8, 11]);
  });
});
