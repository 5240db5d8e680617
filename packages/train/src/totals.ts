/**
 * Sums over the examples of a pass, kept on the device so that a step reads nothing back. Owns what is summed and how
 * it is read; when to read belongs to the loop.
 */
import { type Tensor, add, cast, isFinite, less, logicalAnd, logicalOr, mul, tensor, where } from "@dormouse/tensor";
import type { Precision } from "./precision.ts";

/** A scalar of outputs and targets: a loss, or a metric that is a mean over the examples of a batch. */
export type Score = (outputs: Tensor, targets: Tensor) => Tensor;

/** The scores of one pass over the data: `loss` and every metric by name. */
export type Scores = Readonly<Record<string, number>>;

/** Functions of outputs and targets by name. */
export type Metrics = Readonly<Record<string, Score>>;

/** Sums of scores. */
export interface Sums {
  readonly sums: Readonly<Record<string, Tensor>>;
  readonly examples: Tensor;
}

/** What training sums up besides. */
export interface Totals extends Sums {
  /** Steps done in this epoch, int32. */
  readonly steps: Tensor;
  /** The first step whose loss or gradient was not finite, or −1. */
  readonly bad: Tensor;
  /** The norm of the whole gradient, before anything clips it: of the last step, and summed. */
  readonly norm: Tensor;
  readonly norms: Tensor;
  /** Steps whose gradient was too large for float16, int32. They count for neither norm. Only in mixed precision. */
  readonly skipped?: Tensor;
}

const zero = (): Tensor => tensor(0, { dtype: "float32" });

/** Sums of nothing. */
export const emptySums = (metrics: Metrics = {}): Sums => ({
  sums: Object.fromEntries(["loss", ...Object.keys(metrics)].map((name) => [name, zero()])),
  examples: zero(),
});

/** The totals before the first step of an epoch. */
export const emptyTotals = (metrics?: Metrics, precision: Precision = "float32"): Totals => ({
  ...emptySums(metrics),
  steps: tensor(0, { dtype: "int32" }),
  bad: tensor(-1, { dtype: "int32" }),
  norm: zero(),
  norms: zero(),
  ...(precision === "mixed" && { skipped: tensor(0, { dtype: "int32" }) }),
});

/** Adds the scores of one batch. */
export const addScores = (totals: Sums, scores: Readonly<Record<string, Tensor>>, examples: number): Sums => ({
  sums: Object.fromEntries(
    Object.entries(totals.sums).map(([name, sum]) => [name, add(sum, mul(cast(scores[name]!, "float32"), examples))]),
  ),
  examples: add(totals.examples, examples),
});

/**
 * Adds one step of training; `healthy` says whether all steps so far were, this one included. In mixed precision a
 * gradient that is not finite is no harm while there is room for a smaller scale.
 */
export function addStep(
  totals: Totals, scores: Readonly<Record<string, Tensor>>, gradientNorm: Tensor, examples: number,
  hasRoom: Tensor | null = null,
): readonly [totals: Totals, healthy: Tensor] {
  const isFiniteNorm = isFinite(gradientNorm);
  const fine = logicalAnd(isFinite(scores["loss"]!), hasRoom ? logicalOr(isFiniteNorm, hasRoom) : isFiniteNorm);
  const before = less(totals.bad, 0);
  const healthy = logicalAnd(before, fine);
  const norm = cast(gradientNorm, "float32");
  const { skipped } = totals;
  const next = {
    ...addScores(totals, scores, examples),
    steps: add(totals.steps, 1),
    bad: where(healthy, totals.bad, where(before, totals.steps, totals.bad)),
    norm: skipped ? where(isFiniteNorm, norm, totals.norm) : norm,
    norms: add(totals.norms, skipped ? where(isFiniteNorm, norm, 0) : norm),
    ...(skipped && { skipped: where(isFiniteNorm, skipped, add(skipped, 1)) }),
  };
  return [next, healthy];
}

/** Means over the examples so far. */
export async function readScores({ sums, examples }: Sums): Promise<Scores> {
  const count = await examples.item();
  return Object.fromEntries(
    await Promise.all(Object.entries(sums).map(async ([name, sum]) => [name, (await sum.item()) / count] as const)),
  );
}

/** What training has come to. */
export interface TotalsRead {
  readonly scores: Scores;
  /** The first step that was not finite, or −1. */
  readonly bad: number;
  readonly norm: number;
  /** Null where no gradient was finite. */
  readonly meanNorm: number | null;
  /** Steps left out in mixed precision. */
  readonly skipped: number;
}

/** Reads the totals of training. */
export async function readTotals(totals: Totals): Promise<TotalsRead> {
  const read = [totals.bad, totals.steps, totals.norm, totals.norms, ...(totals.skipped ? [totals.skipped] : [])];
  const numbers = await Promise.all(read.map((each) => each.item()));
  const [bad, steps, norm, norms, skipped = 0] = numbers as [number, number, number, number, number?];
  const meanNorm = steps === skipped ? null : norms / (steps - skipped);
  return { scores: await readScores(totals), bad, norm, meanNorm, skipped };
}
