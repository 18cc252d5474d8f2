/** Where pictures from other apps arrive once this one is installed, and how the page picks them up. */

/** Address, relative to the page, that the manifest names. */
export const SHARE_TARGET = 'share';
/** The field of the form, and the name under which the picture is kept. */
export const SHARED_PICTURE = 'picture';
/** The cache that holds it until the page looks. */
export const SHARED_CACHE = 'zoetrope-shared';

/** Resolves to the picture that another app handed over, once; undefined when there is none. */
export async function takeSharedPicture(): Promise<Blob | undefined> {
  if (typeof caches === 'undefined' || !(await caches.has(SHARED_CACHE))) return undefined;
  const cache = await caches.open(SHARED_CACHE);
  const kept = await cache.match(new URL(SHARED_PICTURE, document.baseURI));
  await caches.delete(SHARED_CACHE);
  return kept?.blob();
}
