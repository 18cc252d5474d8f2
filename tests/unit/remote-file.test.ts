import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineError } from '../../src/engine/gpu/errors.ts';
import { fetchBytes, openRemote, urlSource } from '../../src/engine/weights/remote-file.ts';
import type { Behaviour, MisbehavingServer } from '../helpers/misbehaving-server.ts';
import {
  cutAfter,
  firstly,
  honest,
  misbehavingServer,
  stallAfter,
  status,
  withoutRange,
} from '../helpers/misbehaving-server.ts';

const bytes = Uint8Array.from({ length: 400_000 }, (_, i) => (i * 7919) >>> 5);
const quick = { stallMs: 120, waitsMs: [1, 1, 1] };

let server: MisbehavingServer;
beforeAll(async () => {
  server = await misbehavingServer(bytes);
});
afterAll(() => server.close());

/** What comes of reading [start, end) as a stream from a server that behaves so. */
async function read(behaviour: Behaviour, start = 0, end = bytes.length): Promise<Uint8Array> {
  server.behave(behaviour);
  const file = await openRemote(server.url, quick);
  const parts: Uint8Array[] = [];
  for await (const piece of file.stream(start, end)) parts.push(piece.slice());
  return Buffer.concat(parts);
}

const expectCode = (work: Promise<unknown>, code: string) =>
  expect(work).rejects.toMatchObject({ name: 'EngineError', code });

describe('a remote file', () => {
  it('is read exactly, whole and in part', async () => {
    expect(Buffer.compare(await read(honest), bytes)).toBe(0);
    expect(
      Buffer.compare(await read(honest, 70_001, 300_007), bytes.subarray(70_001, 300_007)),
    ).toBe(0);
    expect(server.asked).toEqual(['GET bytes=0-65535', 'GET bytes=70001-300006']);
  });

  it('goes on where a connection broke off, however often, as long as it moves', async () => {
    expect(Buffer.compare(await read(cutAfter(70_000)), bytes)).toBe(0);
    expect(server.asked).toEqual([
      'GET bytes=0-65535',
      ...[0, 70_000, 140_000, 210_000, 280_000, 350_000].map((at) => `GET bytes=${at}-399999`),
    ]);
  });

  it('gives up a server that always breaks off at once', async () => {
    await expectCode(read(firstly(1, honest, cutAfter(10))), 'weights/read');
    expect(server.asked).toHaveLength(1 + 1 + quick.waitsMs.length);
  });

  it('leaves a silent connection and goes on', async () => {
    const once = firstly(2, stallAfter(100_000), honest);
    expect(Buffer.compare(await read(once), bytes)).toBe(0);
    expect(server.asked).toEqual([
      'GET bytes=0-65535',
      'GET bytes=0-399999',
      'GET bytes=100000-399999',
    ]);
    await expectCode(read(stallAfter(0)), 'weights/stalled');
  });

  it('does not take a slow reader for a silent connection', async () => {
    server.behave(honest);
    const file = await openRemote(server.url, quick);
    let length = 0;
    let waited = false;
    for await (const piece of file.stream(0, bytes.length)) {
      length += piece.byteLength;
      if (!waited) await new Promise((resolve) => setTimeout(resolve, 2 * quick.stallMs));
      waited = true;
    }
    expect(length).toBe(bytes.length);
    expect(server.asked).toHaveLength(2);
  });

  it.each([429, 500, 502, 503, 504])(
    'waits for a server that answers %i, but not for ever',
    async (code) => {
      expect(Buffer.compare(await read(firstly(3, status(code), honest)), bytes)).toBe(0);
      await expectCode(read(status(code)), 'weights/busy');
      expect(server.asked).toHaveLength(1 + quick.waitsMs.length);
    },
  );

  it('waits as long as the server asks', async () => {
    server.behave(firstly(1, status(429, { 'Retry-After': '1' }), honest));
    const told: [code: string, waitMs: number][] = [];
    const onRetry = (failure: EngineError, waitMs: number): void => {
      told.push([failure.code, waitMs]);
    };
    await openRemote(server.url, { ...quick, onRetry });
    expect(told).toEqual([['weights/busy', 1000]]);
  });

  it.each([
    [404, 'weights/not-found'],
    [410, 'weights/not-found'],
    [401, 'weights/forbidden'],
    [403, 'weights/forbidden'],
    [451, 'weights/forbidden'],
    [400, 'weights/http'],
  ])('says at once what %i means', async (code, kind) => {
    await expectCode(read(status(code)), kind);
    expect(server.asked).toHaveLength(1);
  });

  it('is read from a server without Range, whose repeated answers are skipped through', async () => {
    expect(Buffer.compare(await read(withoutRange(), 5, 90_000), bytes.subarray(5, 90_000))).toBe(
      0,
    );
    expect(Buffer.compare(await read(withoutRange(false)), bytes)).toBe(0);
    const cuts = firstly(2, withoutRange(), cutWhole);
    expect(Buffer.compare(await read(cuts), bytes)).toBe(0);
  });

  it('follows redirects', async () => {
    const led: Behaviour = (request) =>
      request.url === '/file' ? status(302, { Location: '/elsewhere' })(request) : honest(request);
    expect(Buffer.compare(await read(led), bytes)).toBe(0);
  });

  it('refuses to be led from https to http', async () => {
    const fetch = async () => {
      const answer = new Response('x', { status: 200 });
      Object.defineProperty(answer, 'url', { value: 'http://cdn/x' });
      return answer;
    };
    await expectCode(openRemote('https://hub/x', { ...quick, fetch }), 'weights/redirect');
  });

  it('ends redirects in a circle as no connection', async () => {
    await expectCode(read(status(302, { Location: '/file' })), 'weights/offline');
  });

  it('says when nobody answers', async () => {
    await expectCode(openRemote('http://127.0.0.1:1/x', quick), 'weights/offline');
  });

  it('refuses another part than was asked for', async () => {
    const other: Behaviour = ({ range, response }) => {
      const [first = 0] = range ?? [];
      const headers = { 'Content-Range': `bytes ${first + 1}-${first + 2}/${bytes.length}` };
      response.writeHead(206, headers);
      response.end('ab');
    };
    await expectCode(read(other), 'weights/http');
  });

  it('refuses more bytes than were asked for', async () => {
    const more: Behaviour = ({ range, response }) => {
      const [first = 0, end = 0] = range ?? [];
      response.writeHead(206, { 'Content-Range': `bytes ${first}-${end - 1}/${bytes.length}` });
      response.end(bytes.subarray(first, end + 10));
    };
    await expectCode(read(firstly(1, honest, more), 0, 1000), 'weights/length');
  });

  it('tells a short answer from a whole one', async () => {
    const less: Behaviour = ({ range, response }) => {
      const [first = 0, end = 0] = range ?? [];
      response.writeHead(206, { 'Content-Range': `bytes ${first}-${end - 1}/${bytes.length}` });
      response.end(bytes.subarray(first, end - 10));
    };
    expect(Buffer.compare(await read(firstly(2, less, honest)), bytes)).toBe(0);
    await expectCode(read(less), 'weights/read');
  });

  it('refuses a file that changes under its hands', async () => {
    const grown: Behaviour = (request) =>
      honest({ ...request, bytes: Buffer.concat([bytes, bytes]) });
    await expectCode(read(firstly(1, honest, grown)), 'weights/changed');
    const tagged =
      (etag: string): Behaviour =>
      (request) => {
        request.response.setHeader('ETag', etag);
        honest(request);
      };
    await expectCode(read(firstly(1, tagged('"a"'), tagged('"b"'))), 'weights/changed');
  });

  it('stops at once when it is cancelled, while it reads and while it waits', async () => {
    for (const behaviour of [stallAfter(100), status(503)]) {
      server.behave(behaviour);
      const cancel = new AbortController();
      setTimeout(() => cancel.abort(), 30);
      const start = performance.now();
      const opening = openRemote(server.url, { signal: cancel.signal });
      await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
      expect(performance.now() - start).toBeLessThan(500);
    }
  });
});

describe('urlSource', () => {
  it('refuses a server without Range only when the file is too large for memory', async () => {
    server.behave(withoutRange());
    const source = await urlSource(server.url, quick);
    expect(Buffer.compare(await source.read(7, 9), bytes.subarray(7, 9))).toBe(0);
    const large: Behaviour = ({ response }) => {
      response.writeHead(200, { 'Content-Length': 2 ** 31 });
      response.write('x');
    };
    server.behave(large);
    await expectCode(urlSource(server.url, quick), 'weights/no-range');
  });
});

describe('fetchBytes', () => {
  it('returns a small file whole, tried again after cuts, and refuses a large one', async () => {
    server.behave(firstly(2, cutAfter(10), honest));
    expect(Buffer.compare(await fetchBytes(server.url, quick), bytes)).toBe(0);
    server.behave(honest);
    await expectCode(fetchBytes(server.url, quick, 1000), 'weights/length');
  });
});

/** The whole file again and again, cut 50,000 bytes later each time. */
const cutWhole: Behaviour = (request) =>
  cutAfter(50_000 * request.nth)({ ...request, range: undefined });
