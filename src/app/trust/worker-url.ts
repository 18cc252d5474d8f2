/** Addresses of the app's own workers, vouched for where the page demands trusted types. */
import { WORKER_URL_POLICY } from './policy.mjs';

type UrlPolicy = { createScriptURL(url: string): string };
type TrustedTypesFactory = { createPolicy(name: string, rules: UrlPolicy): UrlPolicy };

let policy: UrlPolicy | undefined;

/**
 * Returns the address of a worker's script, absolute, in the form that `new Worker` and `register` take. Throws a
 * `TypeError` for an address of another origin: only files of this build are vouched for.
 */
export function trustedWorkerUrl(address: string): string {
  const factory = (globalThis as { trustedTypes?: TrustedTypesFactory }).trustedTypes;
  policy ??= factory?.createPolicy(WORKER_URL_POLICY, { createScriptURL: ownAddress });
  return policy?.createScriptURL(address) ?? ownAddress(address);
}

function ownAddress(address: string): string {
  const url = new URL(address, location.href);
  if (url.origin === location.origin) return url.href;
  throw new TypeError(`${url.origin} is not where this app's workers come from`);
}
