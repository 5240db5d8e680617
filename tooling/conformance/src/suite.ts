/**
 * Runs groups of cases on the device that is set and counts. A case passes if it passes in every dtype for which it has
 * tolerances; a case that no checker knows, or that has an option which its checker does not know, is skipped by name.
 */
import { type DType, scopeAsync } from "@dormouse/tensor";
import type { Case, CaseFile } from "./case.ts";
import { type FloatType, messageOf } from "./checks.ts";
import { checkers } from "./groups.ts";
import { UnknownOption } from "./watch.ts";

/** Counts of cases. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What is wrong with a case. */
export interface Failure {
  readonly group: string;
  readonly case: string;
  readonly dtype: FloatType;
  readonly message: string;
}

/** What a run found; `--json` writes it. */
export interface Report extends Counts {
  readonly groups: Record<string, Counts>;
  readonly failures: Failure[];
  /** Skipped ops by group. */
  readonly unknown: Record<string, string[]>;
}

/** What to run. */
export interface SuiteOptions {
  /** Only this group. */
  readonly group?: string | undefined;
  /** Only this dtype. */
  readonly dtype?: FloatType | undefined;
  /** What the device can compute with; cases of other dtypes are skipped by name. Default: everything. */
  readonly supported?: ReadonlySet<DType> | undefined;
  /** Folder of data sets; without it, cases that need one are skipped. */
  readonly data?: string | undefined;
  readonly onFailure?: (failure: Failure) => void;
}

const dtypesOf = ({ tol }: Case): FloatType[] =>
  !tol || (tol.f64 && tol.f32) ? ["float64", "float32"] : tol.f32 ? ["float32"] : ["float64"];

/** Runs the cases of the files. */
export async function runSuite(files: readonly CaseFile[], options: SuiteOptions = {}): Promise<Report> {
  const report: Report = { passed: 0, failed: 0, skipped: 0, groups: {}, failures: [], unknown: {} };
  for (const file of files) {
    if (options.group && options.group !== file.group) continue;
    const counts = (report.groups[file.group] = { passed: 0, failed: 0, skipped: 0 });
    for (const each of file.cases) {
      const outcome = await runCase(each, file, options, report);
      counts[outcome]++;
      report[outcome]++;
    }
  }
  return report;
}

async function runCase(
  each: Case,
  file: CaseFile,
  options: SuiteOptions,
  report: Report,
): Promise<"passed" | "failed" | "skipped"> {
  const checker = checkers[file.group];
  const wanted = dtypesOf(each).filter((dtype) => !options.dtype || dtype === options.dtype);
  const dtypes = wanted.filter((dtype) => options.supported?.has(dtype) ?? true);
  let outcome: "passed" | "failed" | "skipped" = "skipped";
  let option: UnknownOption | null = null;
  for (const dtype of dtypes) {
    const messages = await check(() => checker?.(each, dtype, { file, data: options.data ?? null }) ?? null);
    if (messages instanceof UnknownOption) option = messages;
    if (!messages || messages instanceof UnknownOption) continue;
    if (outcome === "skipped") outcome = "passed";
    for (const message of messages) {
      outcome = "failed";
      const failure: Failure = { group: file.group, case: each.id, dtype, message };
      report.failures.push(failure);
      options.onFailure?.(failure);
    }
  }
  if (outcome === "skipped") {
    const unknown = (report.unknown[file.group] ??= []);
    const why = option
      ? ` (${option.message})`
      : wanted.length > 0 && dtypes.length === 0
        ? ` (${wanted.join(", ")} is not supported)`
        : "";
    const name = `${each.op}${why}`;
    if (!unknown.includes(name)) unknown.push(name);
  }
  return outcome;
}

/** What a checker throws is a failure, too. Tensors that it made are given up as far as they can be seen. */
async function check(
  run: () => Promise<readonly string[]> | null,
): Promise<readonly string[] | UnknownOption | null> {
  try {
    return await scopeAsync(async (track) => {
      let pending: Promise<readonly string[]> | null = null;
      track(() => void (pending = run()));
      return await (pending as Promise<readonly string[]> | null);
    });
  } catch (error) {
    if (error instanceof UnknownOption) return error;
    return [`threw ${messageOf(error)}`];
  }
}
