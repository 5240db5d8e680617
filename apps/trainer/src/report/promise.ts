/** Whether conformal sets and intervals keep their promise, and what other promises would cost. */
import { conformalRegression, intervalCoverage, meanSetSize, setCoverage, splitConformal } from "@dormouse/metrics";
import { type Tensor, key, tensor } from "@dormouse/tensor";
import type { Calibration } from "../calibration.ts";
import type { PartResult } from "../conclusion.ts";
import type { Task } from "../schema.ts";
import { beside, chart, dots, guide, line, rangeOf, rounded } from "./chart.ts";
import { type Section, count, percent, show, table } from "./page.ts";

/** Shares of misses to compare. */
const others = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

interface Offer {
  readonly alpha: number;
  /** Share of the test part whose set or interval holds the truth. */
  readonly coverage: number;
  /** Mean number of classes, or width. */
  readonly size: number;
}
type Conformal = NonNullable<Calibration["conformal"]>;
interface Parts {
  readonly test: PartResult;
  readonly held: PartResult;
}

/** The promise that was chosen, others beside it, and coverage by size. */
export async function promiseSection(task: Task, parts: Parts, { conformal }: Calibration): Promise<Section | null> {
  if (conformal === null) return null;
  const alphas = [...new Set([...others, conformal.alpha])].sort((a, b) => a - b);
  const found: Offer[] = [];
  for (const alpha of alphas) found.push(task.kind === "regression" ? await intervalsAt(task, parts, alpha) : await setsAt(parts, conformal, alpha));
  const chosen = found.find(({ alpha }) => alpha === conformal.alpha)!;
  const [what, size, unitName] = task.kind === "regression" ? (["interval", "width", task.name] as const) : (["set", "mean set size", "classes"] as const);
  const words =
    `<p>With each prediction goes ${task.kind === "regression" ? "an interval" : "a set of classes"} that holds the truth for at least <strong>${percent(1 - conformal.alpha, 0)}</strong> of new examples of this kind, whatever the model. ` +
    `On the test part ${percent(chosen.coverage)} do, with ${task.kind === "regression" ? `intervals ${show(chosen.size)} wide` : `${show(chosen.size)} classes in a set on average`}.</p>\n`;
  const finite = found.filter((each) => Number.isFinite(each.size));
  const sizes = rounded(rangeOf([...(task.kind === "regression" ? [0] : []), ...finite.map((each) => each.size)]));
  const coverages = rounded(rangeOf([...finite.map(({ coverage }) => coverage), ...finite.map(({ alpha }) => 1 - alpha)]));
  const marks = (x: (each: Offer) => number) =>
    finite.map((each) => ({
      x: x(each), y: each.coverage, style: each === chosen ? "b" : "a",
      title: `promised ${percent(1 - each.alpha, 0)}, held ${percent(each.coverage)}, ${size} ${show(each.size)}`,
    }));
  const cost = chart(
    { x: task.kind === "regression" ? `width (${unitName})` : size, y: "coverage", title: "What a promise costs", description: `Coverage by ${size}`, caption: `Each dot is a promise, of 50 % to 99 %; the orange one is made here.` },
    sizes, coverages, (frame) => line(frame, finite.map((each) => each.size), finite.map(({ coverage }) => coverage), "a") + dots(frame, marks((each) => each.size)),
  );
  const kept = chart(
    { x: "promised coverage", y: "coverage on the test part", title: "What was promised, and what held", description: "Coverage on the test part by promised coverage", caption: "On the dashed line where exactly as much held as was promised." },
    coverages, coverages,
    (frame) => guide(frame, coverages.low, coverages.low, coverages.high, coverages.high) + dots(frame, marks(({ alpha }) => 1 - alpha)),
  );
  const bySize = task.kind === "regression" ? "" : await sizeTable(task.classes.length, parts.test);
  return { word: "Promise", heading: `What ${what}s promise`, content: words + beside(cost, kept) + bySize };
}

async function setsAt({ test, held }: Parts, conformal: Conformal, alpha: number): Promise<Offer> {
  const { score, seed } = conformal as Extract<Conformal, { kind: "sets" }>;
  const random = score === "lac" ? {} : { key: key(seed) };
  const { sets } = await splitConformal(held.predictions.raw.probabilities!, labelsOf(held), { alpha, score, ...random });
  const found = sets(test.predictions.raw.probabilities!);
  return { alpha, coverage: await setCoverage(found, labelsOf(test)).item(), size: await meanSetSize(found).item() };
}

async function intervalsAt(task: Extract<Task, { kind: "regression" }>, { test, held }: Parts, alpha: number): Promise<Offer> {
  const values = ({ predictions }: PartResult): Tensor => tensor(predictions.values, { dtype: "float64" });
  const truth = ({ targets }: PartResult): Tensor => tensor(Float64Array.from(targets, (value) => value * task.deviation + task.mean), { dtype: "float64" });
  const { threshold, interval } = await conformalRegression(values(held), truth(held), { alpha });
  return { alpha, coverage: await intervalCoverage(interval(values(test)), truth(test)).item(), size: 2 * threshold };
}

const labelsOf = ({ targets }: PartResult): Tensor => tensor(Array.from(targets), { dtype: "int32" });

/** How often sets of each size hold the truth: small sets should not miss more often than large ones. */
async function sizeTable(classes: number, { predictions, targets }: PartResult): Promise<string> {
  const members = await predictions.sets!.data();
  const sizes = Array.from({ length: classes + 1 }, () => ({ examples: 0, held: 0 }));
  Array.from(targets, (label, row) => {
    const own = Array.from(members.subarray(row * classes, (row + 1) * classes));
    const entry = sizes[own.reduce((sum, member) => sum + (member ? 1 : 0), 0)]!;
    entry.examples++;
    if (own[label]) entry.held++;
  });
  const rows = sizes.flatMap(({ examples, held }, size) =>
    examples === 0 ? [] : [[String(size), { share: examples / targets.length, text: percent(examples / targets.length) }, count(examples), percent(held / examples)]],
  );
  const empty = sizes[0]!.examples > 0 ? `<p class="quiet">An empty set says that no class is likely enough: the example is unlike those the model knows well.</p>\n` : "";
  return table("Coverage by size of set", ["classes in the set", "share of test examples", "examples", "held the truth"], rows) + empty;
}
