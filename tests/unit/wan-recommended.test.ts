/** What the authors of a model recommend: beside its files, or told by the catalog. */
import { describe, expect, it } from 'vitest';
import { openWan } from '../../src/engine/models/wan/animate.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';
import { firstFrameWan, randomParts } from '../helpers/wan-model.ts';

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** The folder of a small model, with `recommended.json` in it. */
function folder(recommended: Uint8Array | undefined): ModelFiles {
  const files = new Map<string, Uint8Array>([['tokenizer.json', json({})]]);
  for (const [part, bytes] of randomParts(firstFrameWan)) {
    files.set(`${part}/config.json`, json(firstFrameWan[part]));
    files.set(`${part}/diffusion_pytorch_model.safetensors`, bytes);
  }
  if (recommended) files.set('recommended.json', recommended);
  return {
    paths: [...files.keys()],
    open: async (path) => {
      const bytes = files.get(path);
      return bytes && bytesSource(bytes);
    },
  };
}

describe('what a model recommends', () => {
  it('follows from its kind where nothing is told', async () => {
    const { usual } = await openWan(folder(undefined));
    expect(usual).toMatchObject({ steps: 50, guidance: 5, solver: 'unipc' });
    expect(usual.timesteps).toBeUndefined();
  });

  it('is read beside its files, and the caller has the last word', async () => {
    const timesteps = [1000, 757, 522];
    const told = { steps: 3, guidance: 1, shift: 5, solver: 'renoise', timesteps };
    const files = folder(json({ ...told, width: 1280 }));
    expect((await openWan(files)).usual).toMatchObject(told);
    expect((await openWan(files, { steps: 4 })).usual).toMatchObject({ ...told, steps: 4 });
  });

  it('is passed over as far as it is of another kind', async () => {
    const files = folder(json({ steps: 'three', solver: 'magic', timesteps: ['1000'], shift: 3 }));
    const { usual } = await openWan(files);
    expect(usual).toMatchObject({ steps: 50, shift: 3, solver: 'unipc' });
    expect(usual.timesteps).toBeUndefined();
    const broken = openWan(folder(new TextEncoder().encode('{')));
    await expect(broken).rejects.toMatchObject({ code: 'weights/config' });
  });
});
