/**
 * Groups of parameters with optimizers of their own: one link that deals updates out by path and runs the links of
 * every group on its share. It knows paths and links, and no update rule.
 */
import { ValueError } from "@dormouse/tensor";
import {
  type ByPath, type Moment, type Nested, type Optimizer, type Transform, chain, erased, linksOf, runLinks, sharedDType,
} from "./transform.ts";

/** What updates the parameters whose paths fit a pattern, by pattern. */
export type Groups = Readonly<Record<string, Transform | Optimizer>>;

/** The states of the links of every group, by pattern. */
class GroupStates implements Nested {
  readonly groups: Readonly<Record<string, readonly unknown[]>>;
  constructor(groups: Readonly<Record<string, readonly unknown[]>>) {
    this.groups = groups;
  }

  mapLinks(f: (states: readonly unknown[], group?: string) => readonly unknown[]): GroupStates {
    return new GroupStates(mapValues(this.groups, f));
  }
}

const mapValues = <T, R>(record: Readonly<Record<string, T>>, f: (value: T, name: string) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value, name)]));

/**
 * An optimizer for every group of parameters. A group is a pattern for paths, in which `*` stands for any characters,
 * dots included: `hidden.*` takes `hidden.weight` and `hidden.0.bias`, and `*` takes everything. A parameter belongs to
 * the first pattern that fits it. Rates, schedules, decay and clipping inside a group concern that group alone; links
 * that are chained before `byPath` see all groups at once.
 *
 * Throws `ValueError` in `init` where no pattern fits a parameter, and where a pattern other than `*` fits none.
 *
 * @example
 * const optimizer = byPath({
 *   "embedding.*": frozen(),
 *   "*bias": sgd({ learningRate: 0.1 }),
 *   "*": adamW({ learningRate: 1e-3, weightDecay: 0.1 }),
 * });
 */
export function byPath(groups: Groups): Optimizer {
  const patterns = Object.keys(groups);
  if (patterns.length === 0) {
    throw new ValueError("byPath", "there is no group", { hint: `give at least one, such as { "*": sgd() }` });
  }
  const links = mapValues(groups, linksOf);
  const tests = mapValues(groups, (_, pattern) => expressionOf(pattern));
  const patternOf = (path: string): string => {
    const found = patterns.find((pattern) => tests[pattern]!.test(path));
    if (found !== undefined) return found;
    throw new ValueError("byPath", `no pattern fits ${path || "the parameter"}`, {
      expected: patterns, received: path, hint: `add a group for it, or "*" for all the rest`,
    });
  };
  const share = <T>(values: ByPath<T>): Readonly<Record<string, ByPath<T>>> => {
    const shares: Record<string, Record<string, T>> = mapValues(groups, () => ({}));
    for (const [path, value] of Object.entries(values)) shares[patternOf(path)]![path] = value;
    return shares;
  };
  const link: Transform<GroupStates> = {
    init(params) {
      requireUsed(tests, Object.keys(params));
      const shares = share(params);
      return new GroupStates(mapValues(links, (each, pattern) => each.map((part) => part.init(shares[pattern]!))));
    },
    update(updates, { groups: states }, at) {
      const [given, params] = [share(updates), share(at.params)];
      const changed: ByPath[] = [];
      const next = mapValues(links, (each, pattern) => {
        const ours: Moment = { ...at, params: params[pattern]!, dtype: sharedDType(params[pattern]!) };
        const [ourUpdates, ourStates] = runLinks(each, given[pattern]!, states[pattern]!, ours);
        changed.push(ourUpdates);
        return ourStates;
      });
      return [Object.assign({}, ...changed) as ByPath, new GroupStates(next)];
    },
  };
  return chain(erased(link));
}

/** A pattern as a regular expression: every character stands for itself, but `*`. */
const expressionOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(".*")}$`, "s");

/** Refuses a pattern that fits nothing: most likely a name that is spelled wrong. */
function requireUsed(tests: Readonly<Record<string, RegExp>>, paths: readonly string[]): void {
  for (const [pattern, test] of Object.entries(tests)) {
    if (pattern === "*" || paths.some((path) => test.test(path))) continue;
    throw new ValueError("byPath", `no parameter fits ${JSON.stringify(pattern)}`, {
      expected: paths, received: pattern, hint: `the parameters are ${paths.join(", ")}`,
    });
  }
}

/**
 * Leaves parameters as they are, without decay either: for a group of `byPath`. A compiled step computes no gradient of
 * them unless something else reads it.
 */
export const frozen = (): Optimizer => chain(erased<null>({ init: () => null, update: (_, state) => [{}, state] }));
