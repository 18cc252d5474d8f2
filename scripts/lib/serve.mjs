/** A small web server for one folder on this machine alone, with the headers that the app is meant to run under. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { SECURITY_HEADERS } from '../../src/app/trust/policy.mjs';

/** @type {Readonly<Record<string, string>>} */
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** What the app is meant to run under; nothing is kept between two runs of a command. */
const HEADERS = { ...SECURITY_HEADERS, 'Cache-Control': 'no-store' };

/** Bytes that are read of a file at once: small pieces halve the speed at which weights arrive. */
const READ_BYTES = 2 ** 20;

/**
 * @typedef {object} Served
 * @property {string} url address of the folder, with a slash at the end
 * @property {() => Promise<void>} close
 */

/**
 * Serves `folder` on a free port of 127.0.0.1. `mounts` adds files and folders from elsewhere by their path in the
 * address, e.g. `{ '/input/picture': '/home/me/cat.jpg' }`.
 * @param {string} folder
 * @param {Readonly<Record<string, string>>} [mounts]
 * @param {Readonly<Record<string, string>>} [headers] in place of those that the app is meant to run under
 * @returns {Promise<Served>}
 */
export async function serve(folder, mounts = {}, headers = HEADERS) {
  const server = createServer((request, response) => {
    const path = pathOf(request.url ?? '/');
    const file = path === undefined ? undefined : fileFor(path, folder, mounts);
    const size = file === undefined ? undefined : sizeOf(file);
    if (request.method !== 'GET' || file === undefined || size === undefined) {
      response.writeHead(404, headers).end();
      return;
    }
    const type = TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream';
    const [first, end, status] = rangeOf(request.headers.range, size);
    response.writeHead(status, {
      ...headers,
      'Content-Type': type,
      'Content-Length': end - first,
      'Accept-Ranges': 'bytes',
      ...(status !== 200 && {
        'Content-Range': status === 416 ? `bytes */${size}` : `bytes ${first}-${end - 1}/${size}`,
      }),
    });
    if (end === first) response.end();
    else
      createReadStream(file, { start: first, end: end - 1, highWaterMark: READ_BYTES }).pipe(
        response,
      );
  });
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * @param {string} address
 * @returns {string | undefined} undefined for an address that makes no sense
 */
function pathOf(address) {
  try {
    return decodeURIComponent(new URL(address, 'http://localhost').pathname);
  } catch {
    return undefined;
  }
}

/**
 * @param {string} path
 * @param {string} folder
 * @param {Readonly<Record<string, string>>} mounts
 * @returns {string | undefined}
 */
function fileFor(path, folder, mounts) {
  for (const [place, target] of Object.entries(mounts)) {
    if (path === place) return target;
    if (path.startsWith(`${place}/`)) return inside(target, path.slice(place.length));
  }
  return inside(folder, path.endsWith('/') ? `${path}index.html` : path);
}

/**
 * @param {string} folder
 * @param {string} path
 * @returns {string | undefined} undefined when the path leads out of the folder
 */
function inside(folder, path) {
  const file = normalize(join(folder, path));
  return file.startsWith(normalize(folder + sep)) ? file : undefined;
}

/**
 * @param {string} file
 * @returns {number | undefined} undefined when there is no such file
 */
function sizeOf(file) {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.size : undefined;
}

/**
 * @param {string | undefined} header
 * @param {number} size
 * @returns {[first: number, end: number, status: number]}
 */
function rangeOf(header, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (!match) return [0, size, 200];
  const first = Number(match[1]);
  const end = match[2] ? Math.min(size, Number(match[2]) + 1) : size;
  return first < end ? [first, end, 206] : [0, 0, 416];
}
