/** Whether conformal sets and intervals keep their promise, and what other promises would cost. */
import { conformalRegression, intervalCoverage, meanSetSize, setCoverage, splitConformal } from "@dormouse/metrics";
import { type Tensor, key, tensor } from "@dormouse/tensor";
import type { Calibration } from "../calibration.ts";
import type { PartResult } from "../results.ts";
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
    `<p>With each prediction goes ${task.kind === "regression" ? "an interval" : "a set of classes"} that is made to hold the truth for <strong>${percent(1 - conformal.alpha, 0)}</strong> of new examples of this kind, whatever the model. ` +
    `Of the test part ${percent(chosen.coverage)} do, with ${task.kind === "regression" ? `intervals ${show(chosen.size)} wide` : `${show(chosen.size)} classes in a set on average`}.</p>\n`;
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
  const tables = task.kind === "regression" ? "" : await setTables(task.classes, parts.test);
  return { word: "Promise", heading: `What ${what}s promise`, content: words + beside(cost, kept) + tables };
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

/** Sets of examples that have something in common, and how many of them hold the truth. */
interface Group {
  examples: number;
  held: number;
}
const groups = (count: number): Group[] => Array.from({ length: count }, () => ({ examples: 0, held: 0 }));

/** How often sets of each size hold the truth, and those of examples of each class: the promise is about all together. */
async function setTables(classes: readonly string[], { predictions, targets }: PartResult): Promise<string> {
  const members = await predictions.sets!.data();
  const [bySize, byClass] = [groups(classes.length + 1), groups(classes.length)];
  for (let row = 0; row < targets.length; row++) {
    const own = classes.map((_, k) => Boolean(members[row * classes.length + k]));
    const label = targets[row]!;
    for (const group of [bySize[own.filter(Boolean).length]!, byClass[label]!]) {
      group.examples++;
      if (own[label]) group.held++;
    }
  }
  const cells = ({ examples, held }: Group) => [count(examples), { share: held / examples, text: percent(held / examples) }];
  const rows = (all: readonly Group[], name: (i: number) => string) =>
    all.flatMap((group, i) => (group.examples === 0 ? [] : [[name(i), ...cells(group)]]));
  const heads = ["test examples", "held the truth"];
  const empty = bySize[0]!.examples > 0 ? `<p class="quiet">An empty set says that no class is likely enough: the model is less sure than it usually is.</p>\n` : "";
  return (
    `<div class="pair"><div>${table("Coverage by size of set", ["classes in the set", ...heads], rows(bySize, String))}</div>` +
    `<div>${table("Coverage by class", ["actual class", ...heads], rows(byClass, (k) => classes[k]!))}</div></div>\n` +
    `<p>The promise is about all examples together: some classes can do better, others worse.</p>\n${empty}`
  );
}
