/** A web proxy that writes down every request of a browser, wherever it comes from and wherever it goes. */
import { createServer, request as ask } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Logged = { readonly method: string; readonly url: string; readonly bodyBytes: number };

export type LoggingProxy = {
  /** Flags that send a browser through it, its own machine included. */
  readonly flags: readonly string[];
  readonly log: Logged[];
  /** While true every request fails, as without a network; it is still written down. */
  cut: boolean;
  close(): Promise<void>;
};

/** Starts a proxy on this machine. Encrypted connections are written down and refused. */
export async function loggingProxy(): Promise<LoggingProxy> {
  const log: Logged[] = [];
  const proxy = { log, cut: false };
  const server = createServer((incoming, outgoing) => {
    const body: Buffer[] = [];
    incoming.on('data', (piece: Buffer) => body.push(piece));
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming;
      const content = Buffer.concat(body);
      log.push({ method, url, bodyBytes: content.byteLength });
      if (proxy.cut) {
        outgoing.destroy();
        return;
      }
      ask(url, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      })
        .on('error', () => outgoing.destroy())
        .end(content);
    });
  });
  server.on('connect', ({ url = '' }, socket) => {
    log.push({ method: 'CONNECT', url, bodyBytes: 0 });
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(proxy, {
    flags: [`--proxy-server=http://127.0.0.1:${port}`, '--proxy-bypass-list=<-loopback>'],
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
