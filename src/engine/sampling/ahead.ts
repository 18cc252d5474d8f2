/** What the host draws for a step, noise for example, made while the device works on the step before. */

/** Returns `make` with the value for the next index made while the device works on this one. */
export function ahead<T>(count: number, make: (i: number) => T): (i: number) => T {
  let made: { readonly index: number; readonly value: T } | undefined;
  return (i) => {
    const value = made?.index === i ? made.value : make(i);
    if (i + 1 < count)
      setTimeout(() => {
        made = { index: i + 1, value: make(i + 1) };
      });
    return value;
  };
}
