/**
 * What to do about probabilities: decisions by expected cost, and the threshold of a score that serves best. Costs are
 * a matrix [D, C]: row i is what decision i costs for each class.
 */
import { ShapeError, type Tensor, ValueError, argmin, cast, matmul, mean, mul, sum, take, transpose } from "@dormouse/tensor";
import { showShape } from "@dormouse/tensor/graph";
import { labelMask } from "./labels.ts";
import { type RankingOptions, decisionSteps } from "./ranking.ts";
import type { Values } from "./values.ts";

/**
 * The decision of least expected cost for each row of probabilities [N, C]: arg minᵢ Σⱼ costs[i, j] · p[j], int32 [N],
 * the first of equals. `costs` is [D, C]. Throws `ShapeError` where they do not fit. Duda, Hart and Stork, 2001,
 * section 2.2.
 *
 * ```ts
 * decide(probabilities, tensor([[0, 10], [1, 0]]));   // says 1 once p(1) > 1/11
 * ```
 */
export const decide = (probabilities: Tensor, costs: Tensor): Tensor =>
  argmin(costsOf("decide", probabilities, costs), { axis: 1 });

/**
 * What every decision is expected to cost: probabilities · costsᵀ, [N, D].
 *
 * ```ts
 * await expectedCosts(tensor([[0.9, 0.1]]), tensor([[0, 10], [1, 0]])).array();   // [[1, 0.9]]
 * ```
 */
export const expectedCosts = (probabilities: Tensor, costs: Tensor): Tensor =>
  costsOf("expectedCosts", probabilities, costs);

function costsOf(op: string, probabilities: Tensor, costs: Tensor): Tensor {
  if (costs.rank !== 2 || probabilities.rank !== 2 || costs.shape[1] !== probabilities.shape[1]) {
    throw new ShapeError(op, `costs ${showShape(costs.shape)} for probabilities ${showShape(probabilities.shape)}`, {
      expected: ["D", probabilities.shape[1]],
      received: costs.shape,
      hint: "give one row per decision and one column per class",
    });
  }
  return matmul(probabilities, transpose(costs));
}

/**
 * What decisions [N] did cost on average, given the labels [N]: the mean of costs[decision, label], a scalar.
 *
 * ```ts
 * await meanCost(decide(probabilities, costs), labels, costs).item();
 * ```
 */
export function meanCost(decisions: Tensor, labels: Tensor, costs: Tensor): Tensor {
  const rows = take(costs, decisions, { axis: 0 });
  return mean(sum(mul(rows, cast(labelMask("meanCost", rows, labels), costs.dtype)), { axis: 1 }));
}

/**
 * The probability of class 1 above which decision 1 costs less, for costs [[c₀₀, c₀₁], [c₁₀, c₁₁]]:
 * (c₁₀ − c₀₀) / (c₁₀ − c₀₀ + c₀₁ − c₁₁). Elkan, 2001. Throws `ValueError` unless each decision is the cheaper one for
 * its class, as otherwise there is no such threshold.
 *
 * ```ts
 * costThreshold([[0, 10], [1, 0]]);   // 1/11
 * ```
 */
export function costThreshold(costs: readonly (readonly number[])[]): number {
  const [[c00, c01] = [], [c10, c11] = []] = costs;
  const [falseAlarm, miss] = [c10! - c00!, c01! - c11!];
  if (costs.length === 2 && falseAlarm > 0 && miss > 0) return falseAlarm / (falseAlarm + miss);
  throw new ValueError("costThreshold", `costs ${JSON.stringify(costs)} do not make each decision the cheaper one for its class`, {
    expected: "[[c00, c01], [c10, c11]] with c10 > c00 and c01 > c11", received: costs,
    hint: "give two rows of two; use decide for other costs",
  });
}

/** Options of `bestThreshold`. */
export interface BestThresholdOptions extends RankingOptions {
  /**
   * What is best: the least mean cost of `costs` (default), the greatest true positive less false positive rate
   * (`youden`, 1950), or the greatest F1.
   */
  readonly by?: "cost" | "youden" | "f1";
  /** For `cost`: [[c₀₀, c₀₁], [c₁₀, c₁₁]], row i being what saying i costs. Default [[0, 1], [1, 0]]: errors count. */
  readonly costs?: readonly (readonly number[])[];
}

/** A threshold and what it is worth. */
export interface BestThreshold {
  /** A score of at least this says yes; Infinity where no is always better. */
  readonly threshold: number;
  /** The mean cost, Youden's J or F1 of saying so. */
  readonly value: number;
}

/**
 * The best threshold of yes-or-no scores [N] with targets 0 or 1, among all the data can tell apart: the points of
 * `rocCurve`. Of equally good ones the greatest. Choose it on held-out examples: on those it was chosen on, it looks
 * better than it is. Throws as `rocCurve`.
 *
 * ```ts
 * await bestThreshold([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], { costs: [[0, 10], [1, 0]] });   // { threshold: 0.35, value: 0.25 }
 * ```
 */
export async function bestThreshold(
  scores: Values,
  targets: Values,
  { by = "cost", costs = [[0, 1], [1, 0]], ...options }: BestThresholdOptions = {},
): Promise<BestThreshold> {
  const { thresholds, hits, alarms } = await decisionSteps("bestThreshold", scores, targets, options);
  const [positives, negatives] = [hits.at(-1)!, alarms.at(-1)!];
  const [[c00 = NaN, c01 = NaN] = [], [c10 = NaN, c11 = NaN] = []] = costs;
  if (by === "cost" && Number.isNaN(c00 + c01 + c10 + c11)) {
    throw new ValueError("bestThreshold", `costs are ${JSON.stringify(costs)}`, { received: costs, hint: "give two rows of two numbers" });
  }
  const merit = (hit: number, alarm: number): number => {
    if (by === "youden") return hit / positives - alarm / negatives;
    if (by === "f1") return (2 * hit) / (hit + alarm + positives);
    const cost = c11 * hit + c01 * (positives - hit) + c10 * alarm + c00 * (negatives - alarm);
    return -cost / (positives + negatives);
  };
  let best = { threshold: Infinity, value: merit(0, 0) };
  thresholds.forEach((threshold, i) => {
    const value = merit(hits[i]!, alarms[i]!);
    if (value > best.value) best = { threshold, value };
  });
  return by === "cost" ? { ...best, value: -best.value } : best;
}
