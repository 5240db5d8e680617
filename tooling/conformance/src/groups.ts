/**
 * Which group is checked by what. A checker answers null for a case that it does not know; the suite then skips the
 * case by name.
 */
import type { Case, CaseFile, OpCase } from "./case.ts";
import type { FloatType } from "./checks.ts";
import { checkHigherOrder } from "./higher-order.ts";
import { checkOp } from "./op-case.ts";
import type { Table } from "./table.ts";
import { binary, unary } from "./tables/elementwise.ts";
import { indexing } from "./tables/index-ops.ts";
import { linearAlgebra, products } from "./tables/matmul.ts";
import { normalizedExponentials, reduce, special } from "./tables/reduce.ts";
import { ordering } from "./tables/sort.ts";
import { convolutions, poolings } from "./tables/windows.ts";

/** What a checker may need beside the case. */
export interface Surroundings {
  readonly file: CaseFile;
  /** The folder of data sets, if there is one. */
  readonly data: string | null;
}

/** Returns what is wrong with a case in a dtype, or null for a case that it does not know. */
export type Checker = (each: Case, dtype: FloatType, surroundings: Surroundings) => Promise<readonly string[]> | null;

const byTable =
  (table: Table): Checker =>
  (each, dtype) => {
    const row = each.kind === "op" ? table[each.op] : undefined;
    return row ? checkOp(row, each as OpCase, dtype) : null;
  };

/** Checkers by group. */
export const checkers: Readonly<Record<string, Checker>> = {
  "ops-unary": byTable(unary),
  "ops-special": byTable(special),
  "ops-binary": byTable(binary),
  "ops-reduce": byTable(reduce),
  "ops-matmul": byTable(products),
  "ops-linalg": byTable(linearAlgebra),
  "ops-conv": byTable(convolutions),
  "ops-pool": byTable(poolings),
  "ops-softmax": byTable(normalizedExponentials),
  "ops-index": byTable(indexing),
  "ops-sort": byTable(ordering),
  "higher-order": (each, dtype) => checkHigherOrder(each as Parameters<typeof checkHigherOrder>[0], dtype),
};
