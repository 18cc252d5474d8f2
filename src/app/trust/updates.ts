/** New versions of the app: noticed when the browser has fetched one, put in place only when the user agrees. */
import { EngineError } from '../../engine/index.ts';
import type { ActivateAnswer, ServiceWorkerRequest } from './service-worker.ts';

/** Calls `onAvailable` as soon as a new version waits; call it after `protectPage`. */
export async function watchUpdates(onAvailable: () => void): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  if (!registration) return;
  // Without a page that is served already this is the first visit, not an update.
  const tell = (): void => {
    if (registration.waiting && navigator.serviceWorker.controller) onAvailable();
  };
  tell();
  registration.addEventListener('updatefound', () => {
    registration.installing?.addEventListener('statechange', tell);
  });
}

/**
 * Puts the waiting version in place and loads the page again. Throws `update/busy` while a video is being made in any tab,
 * `update/none` when no version waits.
 */
export async function applyUpdate(): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration();
  const waiting = registration?.waiting;
  if (!waiting) throw new EngineError('update/none', 'update — got no new version to put in place');
  const channel = new MessageChannel();
  const replaced = new Promise<void>((resolve) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true });
  });
  const answer = new Promise<ActivateAnswer>((resolve) => {
    channel.port1.addEventListener('message', ({ data }) => resolve(data as ActivateAnswer), {
      once: true,
    });
    channel.port1.start();
  });
  waiting.postMessage({ type: 'activate' } satisfies ServiceWorkerRequest, [channel.port2]);
  const { activated } = await answer;
  if (!activated) {
    throw new EngineError(
      'update/busy',
      'update — got a video that is being made, needs its end — wait for it or cancel it',
    );
  }
  await replaced;
  location.reload();
}
