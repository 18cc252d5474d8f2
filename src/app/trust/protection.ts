/**
 * What keeps the app to its policy. A page says it of itself, but a worker obeys only the headers of its own script: on a
 * host without headers the service worker must serve the page before the engine's worker is started.
 */
import type { ServiceWorkerRequest } from './service-worker.ts';
import { trustedWorkerUrl } from './worker-url.ts';

/** `headers`: the host sends the policy; `service-worker`: it is added here; `page`: it binds the page alone. */
export type Protection = 'headers' | 'service-worker' | 'page';

const SCRIPT = './service-worker.js';
/** A worker that does not take over by then will not: it is said so, and the app goes on. */
const PATIENCE_MS = 20_000;

/** Resolves once the engine's worker may be started, to what protects it. Never rejects. */
export async function protectPage(): Promise<Protection> {
  if (import.meta.env.DEV) return 'page';
  try {
    await registerServiceWorker();
    await controlled();
    return 'service-worker';
  } catch (error) {
    console.warn('no service worker:', error); // private windows, some embedded browsers
    return (await hasHeaders()) ? 'headers' : 'page';
  }
}

async function registerServiceWorker(): Promise<void> {
  const address = trustedWorkerUrl(SCRIPT);
  await navigator.serviceWorker.register(address, { updateViaCache: 'none' });
}

/** Resolves when the service worker serves this page. */
async function controlled(): Promise<void> {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller) return;
  await new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error('it did not take over')), PATIENCE_MS);
    serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true });
    // After a forced reload it is active but leaves the page alone unless asked.
    void serviceWorker.ready.then(({ active }) =>
      active?.postMessage({ type: 'claim' } satisfies ServiceWorkerRequest),
    );
  });
}

/** Whether the host itself sends the policy. */
async function hasHeaders(): Promise<boolean> {
  const response = await fetch(location.href).catch(() => undefined);
  return response?.headers.has('content-security-policy') ?? false;
}
