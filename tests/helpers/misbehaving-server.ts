/** A web server that serves one file and does, on request, everything that servers should not do. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a server does with a request; `nth` counts the requests since the start, from 0. */
export type Behaviour = (request: {
  readonly nth: number;
  readonly range: readonly [first: number, end: number] | undefined;
  readonly bytes: Uint8Array;
  readonly response: ServerResponse;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}) => void;

/** Answers as a server should, with the part that was asked for. */
export const honest: Behaviour = ({ range, bytes, response }) => {
  const [first, end] = range ?? [0, bytes.length];
  response.writeHead(range ? 206 : 200, {
    'Content-Length': end - first,
    ...(range && { 'Content-Range': `bytes ${first}-${end - 1}/${bytes.length}` }),
  });
  response.end(bytes.subarray(first, end));
};

/** Answers with a part, but lets go of the connection after `count` bytes of it. */
export const cutAfter =
  (count: number): Behaviour =>
  ({ range, bytes, response }) => {
    const [first, end] = range ?? [0, bytes.length];
    response.writeHead(range ? 206 : 200, {
      'Content-Length': end - first,
      ...(range && { 'Content-Range': `bytes ${first}-${end - 1}/${bytes.length}` }),
    });
    const sent = bytes.subarray(first, Math.min(end, first + count));
    if (sent.length === end - first) response.end(sent);
    else response.write(sent, () => setTimeout(() => response.destroy(), 5));
  };

/** Sends `count` bytes of the answer and then nothing, without letting go. */
export const stallAfter =
  (count: number): Behaviour =>
  ({ range, bytes, response }) => {
    const [first, end] = range ?? [0, bytes.length];
    response.writeHead(range ? 206 : 200, {
      'Content-Length': end - first,
      ...(range && { 'Content-Range': `bytes ${first}-${end - 1}/${bytes.length}` }),
    });
    if (first + count >= end) response.end(bytes.subarray(first, end));
    else response.write(bytes.subarray(first, first + count));
  };

/** Answers every request with the whole file, its length told or not. */
export const withoutRange =
  (tellLength = true): Behaviour =>
  ({ bytes, response }) => {
    response.writeHead(200, tellLength ? { 'Content-Length': bytes.length } : {});
    response.end(bytes);
  };

/** Answers with a status and nothing else. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  ({ response }) => {
    response.writeHead(code, headers);
    response.end();
  };

/** The first `count` requests get `first`, the others `then`. */
export const firstly =
  (count: number, first: Behaviour, then: Behaviour): Behaviour =>
  (request) =>
    (request.nth < count ? first : then)(request);

export type MisbehavingServer = {
  readonly url: string;
  /** What was asked for, in order: `GET bytes=0-9` or `GET`. */
  readonly asked: string[];
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
};

/** Serves `bytes` under every address on a free port of this machine. */
export async function misbehavingServer(
  bytes: Uint8Array,
  behaviour: Behaviour = honest,
): Promise<MisbehavingServer> {
  let current = behaviour;
  let nth = 0;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    asked.push([request.method, range].filter(Boolean).join(' '));
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    current({
      nth: nth++,
      range:
        first === undefined ? undefined : [Number(first), Math.min(Number(last) + 1, bytes.length)],
      bytes,
      response,
      url: request.url ?? '/',
      headers: request.headers,
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`,
    asked,
    behave(next) {
      current = next;
      nth = 0;
      asked.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
