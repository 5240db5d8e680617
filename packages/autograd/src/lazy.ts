/** Work that is put off until somebody asks, and not done twice. */

/** Runs `make` at the first call only. */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** Remembers the result for the latest argument: a walk asks for one source of a node after the other. */
export function remember<X, Y>(f: (x: X) => Y): (x: X) => Y {
  let latest: { readonly x: X; readonly y: Y } | null = null;
  return (x) => {
    if (!latest || latest.x !== x) latest = { x, y: f(x) };
    return latest.y;
  };
}
