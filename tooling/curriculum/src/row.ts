/** What a row of the curriculum is: an idea, the public names that make it runnable, and where its test is. */

/** Packages that a row may name, without the scope. */
export type PackageName =
  | "autograd" | "backend-cpu" | "data" | "formats" | "losses" | "metrics" | "ml" | "nn" | "optim" | "tensor" | "train";

/** Where an idea is tested. */
export interface Test {
  /** Path from the root of the repository. */
  readonly file: string;
  /** What the title of a test, or of the group around it, begins with. */
  readonly id: string;
}

/** One idea. Its page is that of its section, at the anchor that is its id. */
export interface Row {
  /** `SECTION.ROW` for a row of a table, counted from 1; `SECTION.name` for an idea of a list. */
  readonly id: string;
  readonly idea: string;
  /** Public names by package, separated by blanks; `linalg.solve` is in a namespace. */
  readonly names: Partial<Record<PackageName, string>>;
  /** Default: the test of the section, at the id of the row, or at `SECTION.list` for an idea of a list. */
  readonly tests?: readonly Test[];
}

/** A part of the curriculum. */
export interface Section {
  readonly number: number;
  readonly title: string;
  /** Path from the root of the repository. */
  readonly page: string;
  /** File of its tests. */
  readonly test: string;
  /** How many rows its tables have: the ids `number.1` to `number.count` must all be there. */
  readonly count: number;
  readonly rows: readonly Row[];
}

/** The tests of a row. */
export const testsOf = ({ number, test }: Section, { id, tests }: Row): readonly Test[] =>
  tests ?? [{ file: test, id: /^\d+\.\d+$/.test(id) ? id : `${number}.list` }];

/** Every name of a row with its package. */
export const namesOf = ({ names }: Row): readonly (readonly [PackageName, string])[] =>
  Object.entries(names).flatMap(([from, list]) =>
    list.split(/\s+/).map((name) => [from as PackageName, name] as const));
