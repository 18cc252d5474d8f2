/** The command that fetches a model of the catalog, against a hub on this machine. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HUB_COMMIT, hubSite } from '../helpers/hub-site.ts';
import type { Behaviour, MisbehavingServer } from '../helpers/misbehaving-server.ts';
import { honest, misbehavingServer, stallAfter } from '../helpers/misbehaving-server.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'zoetrope-fetch-'));
const catalogFile = join(folder, 'catalog.json');

/** Bytes of a file, other ones for each; more than a chunk where it is large. */
const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + length) >>> 3);

const LARGE = 20_000_000;
const files = new Map([
  ['transformer/config.json', bytesOf(40)],
  ['transformer/model.safetensors', bytesOf(LARGE)],
  ['vae/config.json', bytesOf(20)],
  ['vae/model.safetensors', bytesOf(3000)],
  ['text_encoder/config.json', bytesOf(21)],
  ['text_encoder/model.safetensors', bytesOf(5000)],
  ['tokenizer/tokenizer.json', bytesOf(400)],
]);
const site = (serve: Behaviour) => hubSite(new Map([['team/tiny', files]]), serve);

let server: MisbehavingServer;
beforeAll(async () => {
  const real = JSON.parse(readFileSync(join(root, 'weights/catalog.json'), 'utf8')) as {
    readonly models: readonly object[];
  };
  const place = (name: string, stored: string | null) => ({
    ...{ repository: 'team/tiny', commit: HUB_COMMIT, folder: name, stored, aboutBytes: 1000 },
    ...(stored === null && { config: 'any' }),
  });
  const parts = {
    ...{ transformer: place('transformer', null), vae: place('vae', null) },
    ...{ text_encoder: place('text_encoder', null), tokenizer: place('tokenizer', 'json') },
  };
  const model = { ...real.models[0], id: 'tiny', title: 'Tiny model', parts };
  const catalog = { ...real, configs: { any: {} }, models: [model], pictures: [] };
  writeFileSync(catalogFile, JSON.stringify(catalog));
  server = await misbehavingServer(new Uint8Array(0), site(honest));
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

type Ended = { readonly code: number | null; readonly out: string; readonly told: string };

/** Runs the command; `onTold` sees what it says so far and may end it. */
function fetchModel(id: string, onTold: (told: string, interrupt: () => void) => void = () => {}) {
  const hub = server.url.replace('/file', '');
  const options = ['--hub', hub, '--cache', folder, '--catalog', catalogFile];
  const command = ['scripts/run.mjs', 'scripts/fetch-model.ts', id, ...options];
  return new Promise<Ended>((resolve) => {
    const child = spawn(process.execPath, command, { cwd: root });
    let [out, told] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => {
      told += text;
      onTold(told, () => child.kill('SIGINT'));
    });
    child.on('close', (code) => resolve({ code, out: out.trim(), told }));
  });
}

describe('fetching a model of the catalog', () => {
  it('shows its licence and stops after Ctrl-C with what came, then goes on and links the files of a folder', async () => {
    server.behave(site(stallAfter(2_000_000)));
    const stopped = await fetchModel('tiny', (told, interrupt) => {
      if (told.includes(' to fetch\n')) setTimeout(interrupt, 700);
    });
    expect(stopped.told).toContain('Tiny model, licence: Apache-2.0');
    expect(stopped.told).toContain('cancelled; what came stays');
    expect(stopped.code).toBe(130);

    server.behave(site(honest));
    server.asked.length = 0;
    const done = await fetchModel('tiny');
    expect(done).toMatchObject({ code: 0, out: join(folder, 'models/tiny') });
    for (const [path, bytes] of files)
      expect(readFileSync(join(done.out, path)).equals(bytes), path).toBe(true);
    expect(JSON.parse(readFileSync(join(done.out, 'recommended.json'), 'utf8'))).toMatchObject({
      solver: 'unipc',
    });
    expect(statSync(join(done.out, 'transformer/model.safetensors')).nlink).toBe(2);

    server.asked.length = 0;
    const again = await fetchModel('tiny');
    expect(again).toMatchObject({ code: 0, out: done.out });
    expect(again.told).not.toContain('to fetch');
    expect(server.asked).toEqual([]);
  }, 60_000);

  it('names what it knows when asked for something else', async () => {
    const { code, told } = await fetchModel('large');
    expect(code).toBe(1);
    expect(told).toContain('knows tiny, i2vgen-xl');
  });
});
