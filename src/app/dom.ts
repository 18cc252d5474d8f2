/** Elements of the page by id, of the kind they are expected to be. */

/** Returns the element. Throws a `TypeError` when the page has no such element: page and script do not match. */
export function element<E extends Element>(id: string, kind: abstract new () => E): E {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new TypeError(`the page has no ${kind.name} "${id}"`);
}
