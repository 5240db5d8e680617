/**
 * What a case says and nobody asks: an option that is given and not read would be ignored in silence, so the case is
 * skipped instead, under the name of the option. Owns the record of what was read.
 */

/** Thrown by the check of a case with an option that it does not know; the suite skips the case by name. */
export class UnknownOption extends Error {
  readonly options: readonly string[];

  constructor(options: readonly string[]) {
    super(`unknown: ${options.join(", ")}`);
    this.options = options;
  }
}

/** An object that remembers which of its properties were read. */
export interface Watched<T extends object> {
  readonly object: T;
  /** Names of properties that are given (not null) and were not read. */
  readonly unread: () => string[];
}

/** Watches the reading of properties. */
export function watch<T extends object>(given: T): Watched<T> {
  const read = new Set<string | symbol>();
  const object = new Proxy(given, {
    get(target, name) {
      read.add(name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      read.add(name);
      return Reflect.has(target, name);
    },
  });
  const isGiven = (name: string): boolean => (given as Readonly<Record<string, unknown>>)[name] != null;
  return { object, unread: () => Object.keys(given).filter((name) => isGiven(name) && !read.has(name)) };
}

/** Throws `UnknownOption` where something that is given was not read. */
export function refuseUnread(...watched: readonly Watched<object>[]): void {
  const unread = watched.flatMap((each) => each.unread());
  if (unread.length > 0) throw new UnknownOption(unread);
}
