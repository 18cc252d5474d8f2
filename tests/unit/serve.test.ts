import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../scripts/lib/serve.mjs';

const folder = mkdtempSync(join(tmpdir(), 'zoetrope-serve-'));
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  mkdirSync(join(folder, 'app'));
  writeFileSync(join(folder, 'app/index.html'), '<title>app</title>');
  writeFileSync(join(folder, 'app/data.bin'), '0123456789');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  server = await serve(join(folder, 'app'), { '/input/picture': join(folder, 'secret.txt') });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.url + path, { headers });

/** Asks for a path as it is; `fetch` would clean it. */
const statusOf = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ hostname, port, path }, ({ statusCode }) => resolve(statusCode))
      .on('error', reject)
      .end();
  });

describe('the web server of the commands', () => {
  it('serves the page of a folder under a policy that lets nothing else in', async () => {
    const response = await get('');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(response.headers.get('content-security-policy')).toContain(
      "connect-src 'self' https://huggingface.co https://*.hf.co https://hf-mirror.com;",
    );
    expect(await response.text()).toBe('<title>app</title>');
  });

  it('serves parts of a file', async () => {
    const response = await get('data.bin', { range: 'bytes=2-4' });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe('bytes 2-4/10');
    expect(await response.text()).toBe('234');
    expect((await get('data.bin', { range: 'bytes=8-99' })).headers.get('content-length')).toBe(
      '2',
    );
    expect((await get('data.bin', { range: 'bytes=10-12' })).status).toBe(416);
  });

  it('serves files from elsewhere only where they were put', async () => {
    expect(await (await get('input/picture')).text()).toBe('secret');
    expect((await get('input/other')).status).toBe(404);
  });

  it.each(['/../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/none.html', '/%'])(
    'refuses %s',
    async (path) => {
      expect([400, 404]).toContain(await statusOf(path));
    },
  );

  it('answers nothing but GET', async () => {
    expect((await fetch(server.url, { method: 'POST', body: 'x' })).status).toBe(404);
  });
});
