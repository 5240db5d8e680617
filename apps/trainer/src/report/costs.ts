/** What decisions made from the probabilities cost on the test part, by a given matrix of costs. */
import { costThreshold, decide, meanCost } from "@dormouse/metrics";
import { type Tensor, tensor } from "@dormouse/tensor";
import type { PartResult } from "../results.ts";
import { decisionName } from "../predictions.ts";
import type { Task } from "../schema.ts";
import { beside, chart, dots, guide, line, rangeOf, rounded, unit } from "./chart.ts";
import { type Section, escape, show, table } from "./page.ts";

type Classes = Exclude<Task, { readonly kind: "regression" }>;
type Costs = readonly (readonly number[])[];

/** Of the decisions that ask no model, so many of the best are shown. */
const mostConstant = 3;

/** Thresholds at which decisions about two classes are tried. */
const steps = 100;

/** The mean cost of deciding in several ways, and for two classes by every threshold; null where it says nothing new. */
export async function costsSection({ classes }: Classes, { predictions, targets }: PartResult, given: Costs | null): Promise<Section | null> {
  // Of more than two classes, without costs, this would say no more than the accuracy does.
  if (given === null && classes.length > 2) return null;
  const costs = given ?? classes.map((_, i) => classes.map((_, j) => (i === j ? 0 : 1)));
  const matrix = tensor(costs.map((row) => [...row]), { dtype: "float64" });
  const labels = tensor(Array.from(targets), { dtype: "int32" });
  const mean = (decisions: Tensor): Promise<number> => meanCost(decisions, labels, matrix).item();
  const whole = (values: ArrayLike<number>): Tensor => tensor(Int32Array.from(values), { dtype: "int32" });
  const rows: [string, number][] = [["decision of least expected cost", await mean(decide(predictions.probabilities!, matrix))]];
  if (given !== null) rows.push(["the same without calibration", await mean(decide(predictions.raw.probabilities!, matrix))]);
  if (given !== null && costs.length === classes.length) rows.push(["the likeliest class", await mean(whole(predictions.values))]);
  const constant: [string, number][] = [];
  for (const [decision] of costs.entries()) {
    constant.push([`always ${decisionName(costs, classes, decision)}`, await mean(whole(new Int32Array(targets.length).fill(decision)))]);
  }
  rows.push(...constant.sort(([, a], [, b]) => a - b).slice(0, mostConstant));
  const most = Math.max(...rows.map(([, cost]) => cost), Number.MIN_VALUE);
  const words = given === null
    ? "<p>No costs were given, so that every error costs 1: the mean cost is the share of errors. With <code>--costs</code> decisions can weigh what each error costs.</p>\n"
    : "<p>What a decision costs on average for the test part, if it is made by the probabilities.</p>\n";
  const used = given === null ? "" : `<h3>Costs</h3>\n${table("Costs of decisions by true class", ["decision", ...classes.map((name) => `if ${name}`)], costs.map((row, i) => [decisionName(costs, classes, i), ...row.map(show)]))}`;
  const policies = `<h3>Mean cost</h3>\n${table("Mean cost of ways to decide", ["way to decide", "mean cost"], rows.map(([name, cost]) => [name, { share: cost / most, text: cost.toFixed(4) }]), { marked: 0 })}`;
  const curve = costs.length === 2 && classes.length === 2 ? await thresholdFigure(classes[1]!, costs, predictions, mean) : "";
  return { word: "Costs", heading: "What its errors cost", content: words + beside(`<div>${used}${policies}</div>`, curve) };
}

/** Mean cost by the threshold above which an example counts as the second class. */
async function thresholdFigure(name: string, costs: Costs, { probabilities }: PartResult["predictions"], mean: (decisions: Tensor) => Promise<number>): Promise<string> {
  const p = (await probabilities!.data()).filter((_, i) => i % 2 === 1);
  const thresholds = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  const found: number[] = [];
  for (const threshold of thresholds) found.push(await mean(tensor(Int32Array.from(p, (value) => (value >= threshold ? 1 : 0)), { dtype: "int32" })));
  const [[c00, c01], [c10, c11]] = costs as [[number, number], [number, number]];
  // Where one decision is the cheaper one for both classes there is no threshold.
  const best = c10 > c00 && c01 > c11 ? costThreshold(costs) : null;
  const atBest = best === null ? [] : [{ x: best, y: await mean(tensor(Int32Array.from(p, (value) => (value >= best ? 1 : 0)), { dtype: "int32" })), title: `threshold ${show(best)}`, style: "b" }];
  const range = rounded(rangeOf([0, ...found]));
  const caption = best === null ? {} : { caption: `The costs make ${show(best)} the threshold of least expected cost. Where probabilities are calibrated, the curve is lowest there.` };
  return chart(
    { x: `threshold of p(${name})`, y: "mean cost", title: "Cost by threshold", description: `Mean cost by threshold of the probability of ${escape(name)}`, ...caption },
    unit, range,
    (frame) => (best === null ? "" : guide(frame, best, range.low, best, range.high)) + line(frame, thresholds, found, "a") + dots(frame, atBest),
  );
}
