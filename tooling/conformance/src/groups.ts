/**
 * Which group is checked by what. A checker answers null for a case that it does not know; the suite then skips the
 * case by name.
 */
import { allowances } from "./allowances.ts";
import type { Case, CaseFile, OpCase } from "./case.ts";
import type { FloatType } from "./checks.ts";
import { checkHigherOrder } from "./higher-order.ts";
import { type InteropCase, checkInterop } from "./interop.ts";
import { type LinearCase, type LinearFile, checkLinearModel } from "./linear-models.ts";
import { type CalibrationCase, checkCalibration } from "./metrics/calibration.ts";
import { type MetricCase, checkMetric } from "./metrics/metrics.ts";
import { checkOp } from "./op-case.ts";
import { type ClipCase, checkClip } from "./optimizers/clip.ts";
import { type OptimizerCase, type OptimizerFile, checkOptimizer } from "./optimizers/trajectory.ts";
import { type ScheduleCase, checkSchedule } from "./optimizers/schedule.ts";
import { type RandomCase, checkRandom } from "./random.ts";
import type { Table } from "./table.ts";
import { activations } from "./tables/activations.ts";
import { binary, unary } from "./tables/elementwise.ts";
import { indexing } from "./tables/index-ops.ts";
import { kinks } from "./tables/kinks.ts";
import { losses } from "./tables/losses.ts";
import { linearAlgebra, products } from "./tables/matmul.ts";
import { normalizations } from "./tables/normalization.ts";
import { normalizedExponentials, reduce, special } from "./tables/reduce.ts";
import { ordering } from "./tables/sort.ts";
import { convolutions, poolings } from "./tables/windows.ts";
import { type TrainingCase, type TrainingFile, checkTraining } from "./training.ts";

/** What a checker may need beside the case. */
export interface Surroundings {
  readonly file: CaseFile;
  /** The folder of data sets, if there is one. */
  readonly data: string | null;
}

/** Returns what is wrong with a case in a dtype, or null for a case that it does not know. */
export type Checker = (each: Case, dtype: FloatType, surroundings: Surroundings) => Promise<readonly string[]> | null;

const byTable =
  (group: string, table: Table): Checker =>
  (each, dtype) => {
    const row = each.kind === "op" ? table[each.op] : undefined;
    return row ? checkOp(row, each as OpCase, dtype, allowances[`${group}/${each.op}`]) : null;
  };

/** Checkers by group. */
export const checkers: Readonly<Record<string, Checker>> = {
  "ops-unary": byTable("ops-unary", unary),
  "ops-special": byTable("ops-special", special),
  "ops-binary": byTable("ops-binary", binary),
  "ops-reduce": byTable("ops-reduce", reduce),
  "ops-matmul": byTable("ops-matmul", products),
  "ops-linalg": byTable("ops-linalg", linearAlgebra),
  "ops-conv": byTable("ops-conv", convolutions),
  "ops-pool": byTable("ops-pool", poolings),
  "ops-softmax": byTable("ops-softmax", normalizedExponentials),
  "ops-index": byTable("ops-index", indexing),
  "ops-sort": byTable("ops-sort", ordering),
  "ops-norm": byTable("ops-norm", normalizations),
  activations: byTable("activations", activations),
  losses: byTable("losses", losses),
  kinks: byTable("kinks", kinks),
  optimisers: (each, dtype, { file }) => checkOptimizer(each as OptimizerCase, dtype, file as OptimizerFile),
  "grad-clip": (each, dtype) => checkClip(each as ClipCase, dtype),
  schedules: (each) => checkSchedule(each as ScheduleCase),
  "train-digits": (each, dtype, { file, data }) =>
    checkTraining(each as unknown as TrainingCase, dtype, file as TrainingFile, data),
  "linear-models": (each, _, { file, data }) =>
    checkLinearModel(each as unknown as LinearCase, file as LinearFile, data),
  metrics: (each) => checkMetric(each as unknown as MetricCase),
  calibration: (each, _, { data }) => checkCalibration(each as unknown as CalibrationCase, data),
  "init-rng": (each, dtype) => checkRandom(each as unknown as RandomCase, dtype),
  interop: (each) => checkInterop(each as InteropCase),
  "higher-order": (each, dtype) => checkHigherOrder(each as Parameters<typeof checkHigherOrder>[0], dtype),
};
