import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';
import {
  directoryFiles,
  pickedFiles,
  urlFiles,
  withPaths,
} from '../../src/engine/weights/model-files.ts';
import { openModelFolder } from '../../src/engine/weights/model-folder.ts';
import { folderFiles } from '../../src/engine/weights/node-source.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import { FakeDisk } from '../helpers/fake-directory.ts';
import { ggufFile } from '../helpers/gguf-file.ts';
import { honest, misbehavingServer, status } from '../helpers/misbehaving-server.ts';

type Contents = Readonly<Record<string, Uint8Array>>;

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const weights = (values: Readonly<Record<string, number>>): Uint8Array =>
  writeSafetensors(
    Object.entries(values).map(([name, value]) => [
      name,
      { dtype: 'F32', shape: [1], data: Float32Array.of(value) },
    ]),
  );
const index = (map: Readonly<Record<string, unknown>>): Uint8Array =>
  json({ metadata: { total_size: 8 }, weight_map: map });

const model: Contents = {
  'vae/config.json': json({ z_dim: 16 }),
  'vae/diffusion_pytorch_model.safetensors': weights({ v: 1 }),
  'transformer/config.json': json({ num_layers: 2 }),
  'transformer/diffusion_pytorch_model.safetensors.index.json': index({
    a: 'diffusion_pytorch_model-00001-of-00002.safetensors',
    b: 'diffusion_pytorch_model-00002-of-00002.safetensors',
  }),
  'transformer/diffusion_pytorch_model-00001-of-00002.safetensors': weights({ a: 2 }),
  'transformer/diffusion_pytorch_model-00002-of-00002.safetensors': weights({ b: 3 }),
};
const PARTS = ['transformer', 'vae', 'text_encoder'] as const;

const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
});

async function onDisk(contents: Contents): Promise<ModelFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'model-'));
  for (const [path, bytes] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  const files = await folderFiles(folder);
  closers.push(async () => {
    await files.close();
    await rm(folder, { recursive: true });
  });
  return files;
}

async function onServer(contents: Contents): Promise<ModelFiles> {
  const server = await misbehavingServer(new Uint8Array(0), (request) => {
    const bytes = contents[request.url.slice('/model/'.length)];
    if (!bytes) return status(404)(request);
    const [first = 0, end = 0] = request.range ?? [];
    const asked = /(\d+)-(\d+)/.exec(request.headers.range ?? '');
    return honest({
      ...request,
      bytes,
      range: asked
        ? [Number(asked[1]), Math.min(bytes.length, Number(asked[2]) + 1)]
        : [first, end],
    });
  });
  closers.push(() => server.close());
  return urlFiles(server.url.replace('/file', '/model'));
}

async function inDirectory(contents: Contents): Promise<ModelFiles> {
  const { root } = new FakeDisk();
  for (const [path, bytes] of Object.entries(contents)) {
    const parts = path.split('/');
    let folder = root;
    for (const part of parts.slice(0, -1))
      folder = await folder.getDirectoryHandle(part, { create: true });
    const file = await folder.getFileHandle(parts.at(-1) ?? '', { create: true });
    (await file.createSyncAccessHandle()).write(bytes, { at: 0 });
  }
  return directoryFiles(root as unknown as FileSystemDirectoryHandle);
}

async function picked(contents: Contents): Promise<ModelFiles> {
  const files = Object.entries(contents).map(([path, bytes]) => {
    const file = new File([new Uint8Array(bytes)], path.split('/').at(-1) ?? '');
    return Object.defineProperty(file, 'webkitRelativePath', { value: `chosen/${path}` });
  });
  return pickedFiles(withPaths(files));
}

const places = { onDisk, onServer, inDirectory, picked };

describe.each(Object.entries(places))('a model %s', (_name, place) => {
  it('is opened part by part, shards as one', async () => {
    const folder = await openModelFolder(await place(model), PARTS);
    expect(PARTS.map((part) => folder.has(part))).toEqual([true, true, false]);
    expect(await folder.config('transformer')).toEqual({ num_layers: 2 });
    const transformer = await folder.weights('transformer');
    expect([...(await transformer.read('a')), ...(await transformer.read('b'))]).toEqual([2, 3]);
    expect([...(await (await folder.weights('vae')).read('v'))]).toEqual([1]);
  });

  it('is refused when a shard is missing', async () => {
    const { 'transformer/diffusion_pytorch_model-00002-of-00002.safetensors': _, ...rest } = model;
    const folder = await openModelFolder(await place(rest), PARTS);
    await expect(folder.weights('transformer')).rejects.toMatchObject({ code: 'weights/missing' });
  });
});

const transformer = (files: Contents): Contents => ({
  'transformer/config.json': json({}),
  ...files,
});
const INDEX = 'transformer/model.safetensors.index.json';

describe('a part of a model', () => {
  const open = async (contents: Contents) =>
    (await openModelFolder(await picked(transformer(contents)), PARTS)).weights('transformer');

  it('is read from half the bytes where the same is there twice', async () => {
    const store = await open({
      'transformer/model.safetensors': weights({ w: 1 }),
      'transformer/model.fp16.safetensors': weights({ w: 2 }),
    });
    expect([...(await store.read('w'))]).toEqual([2]);
  });

  it('is read from a GGUF file where there is no other', async () => {
    const tensor = { name: 'w', axes: [3], type: 0, offset: 0, bytes: 12 };
    const store = await open({ 'transformer/wan-Q4_K.gguf': ggufFile({ tensors: [tensor] }) });
    expect(store.names()).toEqual(['w']);
  });

  it.each([
    ['no JSON', 'weights/json', new TextEncoder().encode('{')],
    ['no map', 'weights/index', json({})],
    ['an empty map', 'weights/index', index({})],
    ['a file outside the folder', 'weights/index', index({ w: '../vae/model.safetensors' })],
    ['a file in a folder', 'weights/index', index({ w: 'x/model.safetensors' })],
    ['a number for a file', 'weights/index', index({ w: 3 })],
    ['a tensor that its file lacks', 'weights/index', index({ v: 'a.safetensors' })],
    ['a file that is not there', 'weights/missing', index({ w: 'b.safetensors' })],
  ])('is refused when its index has %s: %s', async (_what, code, bytes) => {
    const opening = open({ [INDEX]: bytes, 'transformer/a.safetensors': weights({ w: 1 }) });
    await expect(opening).rejects.toMatchObject({ name: 'EngineError', code });
  });

  it('is refused without weights and with settings that are none', async () => {
    await expect(open({})).rejects.toMatchObject({ code: 'weights/missing' });
    for (const text of ['[]', '3', '{', 'null']) {
      const files = await picked({ 'vae/config.json': new TextEncoder().encode(text) });
      const folder = await openModelFolder(files, PARTS);
      await expect(folder.config('vae')).rejects.toMatchObject({ code: 'weights/config' });
    }
    await expect(openModelFolder(await picked({}), PARTS)).rejects.toMatchObject({
      code: 'weights/folder',
    });
  });
});
