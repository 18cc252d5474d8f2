/**
 * What the app may do, in one place: the commands' server sends it as headers, the build writes it into the page, and the
 * service worker adds it to answers of hosts that send no headers. Plain JavaScript, so that commands run it as it is.
 */

/** Hosts that released models come from: the hub, its file servers, and its mirror. */
const HUB_HOSTS = Object.freeze([
  'https://huggingface.co',
  'https://*.hf.co',
  'https://hf-mirror.com',
]);

/** The one name under which addresses of workers are vouched for (Trusted Types). */
export const WORKER_URL_POLICY = 'worker-url';

/** Only the app's own files run; only models are fetched from elsewhere. */
const DIRECTIVES = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  'media-src blob:',
  `connect-src 'self' ${HUB_HOSTS.join(' ')}`,
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  `trusted-types ${WORKER_URL_POLICY}`,
];

/** The policy as a page says it of itself; who may frame it cannot be said there. */
export const PAGE_POLICY = DIRECTIVES.join('; ');

/** The policy as a header. */
const HEADER_POLICY = [...DIRECTIVES, "frame-ancestors 'none'"].join('; ');

/** Abilities of a page that this one never needs. */
const REFUSED = [
  'accelerometer',
  'display-capture',
  'encrypted-media',
  'geolocation',
  'gyroscope',
  'hid',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'serial',
  'usb',
  'xr-spatial-tracking',
];
/** Abilities it does use. */
const USED = ['autoplay', 'camera', 'fullscreen', 'screen-wake-lock'];

const permissions = [
  ...USED.map((name) => `${name}=(self)`),
  ...REFUSED.map((name) => `${name}=()`),
].join(', ');

/**
 * Every header that the app is meant to run under.
 * @type {Readonly<Record<string, string>>}
 */
export const SECURITY_HEADERS = Object.freeze({
  'Content-Security-Policy': HEADER_POLICY,
  'Permissions-Policy': permissions,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
});
