/**
 * The service worker: keeps the files of one build, so that the page works without a network, and adds the app's policy to
 * every answer, so that it binds page and worker on a host that sends no headers. A build of its own, without imports at run
 * time. A new version waits until the user agrees, and never comes in the middle of a run.
 */
import { isGenerating } from './generation-lock.ts';
import { SECURITY_HEADERS } from './policy.mjs';
import { SHARED_CACHE, SHARED_PICTURE, SHARE_TARGET } from './share-target.ts';

/** Filled in by the build: a hash over all files, the files to keep from the start, and those to keep once used. */
declare const BUILD: {
  readonly version: string;
  readonly shell: readonly string[];
  readonly later: readonly string[];
};

type ExtendableEvent = Event & { waitUntil(work: Promise<unknown>): void };
type FetchEvent = ExtendableEvent & {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
};
type AskedEvent = ExtendableEvent & {
  readonly data: ServiceWorkerRequest;
  readonly ports: readonly MessagePort[];
};
type Scope = {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', listen: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listen: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listen: (event: AskedEvent) => void): void;
};

/** What a page may ask: to be served from here on, or to put a waiting version in place. */
export type ServiceWorkerRequest = { readonly type: 'claim' | 'activate' };
/** Whether a waiting version was put in place; it is not while a video is being made. */
export type ActivateAnswer = { readonly activated: boolean };

const PREFIX = 'zoetrope-build-';
const CACHE = `${PREFIX}${BUILD.version}`;
const scope = globalThis as unknown as Scope;
const root = new URL(scope.registration.scope);
const addressOf = (file: string): string => new URL(file, root).href;
const SHELL = new Set(BUILD.shell.map(addressOf));
const LATER = new Set(BUILD.later.map(addressOf));

scope.addEventListener('install', (event) => event.waitUntil(keepShell()));
scope.addEventListener('activate', (event) => event.waitUntil(takeOver()));
scope.addEventListener('message', (event) => event.waitUntil(obey(event)));
scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== root.origin) return; // a hub: the page's policy says which
  if (request.method === 'POST' && url.href === addressOf(SHARE_TARGET)) {
    event.respondWith(takeShared(request));
  } else if (request.method === 'GET') event.respondWith(answer(request, url));
});

async function keepShell(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll([...SHELL].map((url) => new Request(url, { cache: 'reload' })));
}

/** Moves what is still the same from older versions, then serves all pages. */
async function takeOver(): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX) || name === CACHE) continue;
    const old = await caches.open(name);
    for (const request of await old.keys()) {
      const kept = LATER.has(request.url) ? await old.match(request) : undefined;
      if (kept) await cache.put(request, kept);
    }
    await caches.delete(name);
  }
  await scope.clients.claim();
}

async function obey({ data, ports }: AskedEvent): Promise<void> {
  if (data.type === 'claim') return scope.clients.claim();
  const activated = !(await isGenerating());
  if (activated) await scope.skipWaiting();
  ports[0]?.postMessage({ activated } satisfies ActivateAnswer);
}

async function answer(request: Request, url: URL): Promise<Response> {
  const file = fileOf(request, url);
  if (!SHELL.has(file) && !LATER.has(file)) return guarded(await fetch(request));
  const cache = await caches.open(CACHE);
  const kept = await cache.match(file);
  if (kept) return partOf(kept, request.headers.get('range'));
  // Whole, as a server without ranges would answer: it comes while it is kept, and is fetched once.
  const whole = await fetch(file);
  if (whole.ok) {
    const copy = whole.clone();
    // Full storage must not take the file away from the page.
    cache.put(file, copy).catch((error: unknown) => console.warn('not kept:', file, error));
  }
  // A reader that began before this worker was there has been told that the host knows ranges: it needs the part.
  const range = request.headers.get('range');
  const isLater = range !== null && !range.startsWith('bytes=0-');
  return whole.ok && isLater ? partOf(whole, range) : guarded(whole);
}

/** The address of the file behind a request: every question to the page is answered by the page. */
function fileOf({ mode }: Request, { origin, pathname }: URL): string {
  const file = `${origin}${pathname}`;
  return mode === 'navigate' && file === root.href ? addressOf('index.html') : file;
}

/** An answer under the app's policy. */
function guarded(response: Response): Response {
  if (response.type === 'opaqueredirect' || response.type === 'error') return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

/** The bytes of a kept file that a `Range` header asks for. */
async function partOf(kept: Response, range: string | null): Promise<Response> {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (from === undefined) return guarded(kept);
  const blob = await kept.blob();
  const first = Number(from);
  const end = to ? Math.min(blob.size, Number(to) + 1) : blob.size;
  const headers = new Headers(kept.headers);
  headers.delete('content-encoding');
  if (first >= end) {
    headers.set('content-range', `bytes */${blob.size}`);
    return guarded(new Response(null, { status: 416, headers }));
  }
  headers.set('content-range', `bytes ${first}-${end - 1}/${blob.size}`);
  headers.set('content-length', String(end - first));
  return guarded(new Response(blob.slice(first, end), { status: 206, headers }));
}

/** A picture that another app hands over: kept for the page, which is then opened. */
async function takeShared(request: Request): Promise<Response> {
  const file = (await request.formData()).get(SHARED_PICTURE);
  if (file instanceof Blob) {
    const cache = await caches.open(SHARED_CACHE);
    await cache.put(addressOf(SHARED_PICTURE), new Response(file));
  }
  return Response.redirect(root.href, 303);
}
