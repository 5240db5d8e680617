/** Where the model is wrong on the test part: which classes it takes for which, or how far values are off. */
import { averagePrecision, confusionMatrix, prCurve, rocAuc, rocCurve } from "@dormouse/metrics";
import { select } from "@dormouse/tensor";
import type { PartResult } from "../results.ts";
import type { Task } from "../schema.ts";
import { type Frame, beside, chart, figure, guide, line, rangeOf, rounded, unit } from "./chart.ts";
import { type Section, count, escape, percent, show, table } from "./page.ts";

type Classes = Exclude<Task, { readonly kind: "regression" }>;
type Value = Extract<Task, { readonly kind: "regression" }>;

/** At most so many points are drawn of predicted against actual values. */
const mostPoints = 1500;

/** The confusion matrix, and how well each class is found. */
export async function mistakesSection(task: Classes, { predictions, targets }: PartResult): Promise<Section> {
  const { classes } = task;
  const matrix = await confusionMatrix(predictions.values, Array.from(targets), { classes: classes.length });
  const rows = Array.from({ length: classes.length }, (_, row) => Array.from(matrix.counts.subarray(row * classes.length, (row + 1) * classes.length)));
  const { precision, recall, f1, support } = matrix.perClass;
  const areas = await Promise.all(classes.map((_, k) => areasOf(k, { predictions, targets })));
  const perClass = table(
    "Scores of each class",
    ["class", "examples", "precision", "recall", "F1", "ROC AUC", "average precision"],
    classes.map((name, k) => [
      name, count(support[k]!), ...[precision, recall, f1].map((values) => values[k]!.toFixed(3)), ...[areas[k]!.auc, areas[k]!.precision].map((value) => (Number.isNaN(value) ? "–" : value.toFixed(3))),
    ]),
  );
  const worst = rows.flatMap((row, i) => row.map((n, j) => ({ n, i, j }))).filter(({ i, j }) => i !== j).reduce((most, each) => (each.n > most.n ? each : most), { n: 0, i: 0, j: 0 });
  const wrong = matrix.total - rows.reduce((sum, row, i) => sum + row[i]!, 0);
  const often = worst.n === 0 ? "" : ` Most often, ${escape(classes[worst.i]!)} is taken for ${escape(classes[worst.j]!)}: ${count(worst.n)} times.`;
  const words = `<p>${count(wrong)} of ${count(matrix.total)} test examples are wrong (${percent(wrong / matrix.total)}).${often}</p>\n`;
  return {
    word: "Mistakes", heading: "Where it is wrong",
    content: `${words}<div class="pair">${confusionFigure(rows, classes)}<div>${perClass}</div></div>\n`,
  };
}

/** 1 where the class is `k`. */
const truthOf = (k: number, targets: ArrayLike<number>): number[] => Array.from(targets, (target) => (target === k ? 1 : 0));

/** Areas under both curves of a class; NaN where it does not occur, or nothing else does. */
async function areasOf(k: number, { predictions, targets }: Pick<PartResult, "predictions" | "targets">) {
  const truth = truthOf(k, targets);
  if (!truth.includes(0) || !truth.includes(1)) return { auc: NaN, precision: NaN };
  const scores = select(predictions.probabilities!, k, { axis: 1 });
  return { auc: await rocAuc(scores, truth), precision: await averagePrecision(scores, truth) };
}

/** Counts by actual class (rows) and predicted class (columns), shaded by their share of the row. */
function confusionFigure(counts: readonly (readonly number[])[], classes: readonly string[]): string {
  const cell = Math.max(18, Math.min(64, Math.floor(520 / classes.length)));
  const longest = Math.min(14, Math.max(...classes.map(({ length }) => length)));
  const edge = 26 + 6.6 * longest;
  const slanted = 6.6 * longest > cell - 6;
  const top = slanted ? 24 + 5.4 * longest : 40;
  const [width, height] = [edge + cell * classes.length + (slanted ? 3.4 * longest : 0) + 4, top + cell * classes.length + 4];
  const short = (name: string): string => escape(name.length > 14 ? `${name.slice(0, 13)}…` : name);
  const heads = classes.map((name, i) => {
    const middle = (i + 0.5) * cell;
    const place = slanted ? `transform="translate(${edge + middle} ${top - 7}) rotate(-55)"` : `x="${edge + middle}" y="${top - 8}" text-anchor="middle"`;
    return `<text x="${edge - 8}" y="${top + middle}" dy=".35em" text-anchor="end">${short(name)}</text><text ${place}>${short(name)}</text>`;
  });
  const cells = counts.flatMap((row, i) => {
    const total = row.reduce((sum, value) => sum + value, 0) || 1;
    return row.map((value, j) => {
      const [x, y] = [edge + j * cell, top + i * cell];
      const text = value > 0 && cell >= 26 ? `<text class="count" x="${x + cell / 2}" y="${y + cell / 2}" dy=".35em" text-anchor="middle">${value}</text>` : "";
      const title = `<title>${escape(classes[i]!)} taken for ${escape(classes[j]!)}: ${value} (${percent(value / total)})</title>`;
      return `<g>${title}<rect class="cell" x="${x}" y="${y}" width="${cell - 2}" height="${cell - 2}" rx="3" fill-opacity="${(0.05 + 0.5 * (value / total)).toFixed(2)}"/>${text}</g>`;
    });
  });
  const drawing = `<svg viewBox="0 0 ${width.toFixed(0)} ${height}" style="width:${width.toFixed(0)}px;max-width:100%" role="img" aria-label="Confusion matrix; the table beside it has precision and recall of each class">${heads.join("")}${cells.join("")}</svg>`;
  return figure({ title: "Confusion matrix", caption: "Rows: actual class. Columns: predicted class. Shade: share of the row." }, drawing);
}

/** Curves of what is found against what is falsely reported, for the second of two classes or for each. */
export async function rankingSection(task: Classes, { predictions, targets }: PartResult): Promise<Section | null> {
  const { classes } = task;
  const chosen = classes.length === 2 ? [1] : classes.map((_, k) => k);
  const all = await Promise.all(chosen.map(async (k) => {
    const truth = truthOf(k, targets);
    if (!truth.includes(0) || !truth.includes(1)) return [];
    const scores = select(predictions.probabilities!, k, { axis: 1 });
    const share = truth.reduce((sum, value) => sum + value, 0) / truth.length;
    return [{ name: classes[k]!, share, roc: await rocCurve(scores, truth), pr: await prCurve(scores, truth), ...(await areasOf(k, { predictions, targets })) }];
  }));
  const curves = all.flat();
  if (curves.length === 0) return null;
  const style = curves.length === 1 ? "a" : "a faint";
  const mean = (pick: (curve: (typeof curves)[number]) => number): number => curves.reduce((sum, curve) => sum + pick(curve), 0) / curves.length;
  const of = curves.length === 1 ? `of ${curves[0]!.name}` : `of ${curves.length} classes, each against the rest`;
  const draw = (x: "falsePositiveRate" | "recall") => (frame: Frame): string =>
    curves.map(({ name, roc, pr, auc, precision }) =>
      x === "recall" ? line(frame, pr.recall, pr.precision, style, `${name}: average precision ${precision.toFixed(4)}`) : line(frame, roc.falsePositiveRate, roc.truePositiveRate, style, `${name}: area ${auc.toFixed(4)}`),
    ).join("");
  const roc = chart(
    {
      x: "false positive rate", y: "true positive rate", title: "Receiver operating characteristic",
      description: `ROC curve ${of}; area under it ${mean(({ auc }) => auc).toFixed(4)}`, caption: `Area under the curve: ${mean(({ auc }) => auc).toFixed(4)}. Dashed: guessing.`,
    },
    unit, unit, (frame) => guide(frame, 0, 0, 1, 1) + draw("falsePositiveRate")(frame),
  );
  const pr = chart(
    {
      x: "recall", y: "precision", title: "Precision and recall",
      description: `Precision by recall ${of}; average precision ${mean(({ precision }) => precision).toFixed(4)}`,
      caption: `Average precision: ${mean(({ precision }) => precision).toFixed(4)}.${curves.length === 1 ? ` Dashed: guessing, ${percent(curves[0]!.share)} of examples.` : ""}`,
    },
    unit, unit, (frame) => (curves.length === 1 ? guide(frame, 0, curves[0]!.share, 1, curves[0]!.share) : "") + draw("recall")(frame),
  );
  const words = curves.length === 1
    ? `<p>How well the probability of <strong>${escape(curves[0]!.name)}</strong> tells examples apart, whatever threshold is chosen.</p>\n`
    : "<p>How well the probability of each class tells it from the rest, whatever threshold is chosen: a curve for each class, whose name shows under the pointer.</p>\n";
  return { word: "Ranking", heading: "How well it tells classes apart", content: words + beside(roc, pr) };
}

/** Predicted against actual values, and the errors. */
export function errorsSection(task: Value, { predictions, targets, scores }: PartResult): Section {
  const actual = Array.from(targets, (value) => value * task.deviation + task.mean);
  const { values } = predictions;
  const every = Math.ceil(actual.length / mostPoints);
  const range = rounded(rangeOf([...actual, ...values]));
  const scatter = chart(
    {
      x: `actual ${task.name}`, y: `predicted ${task.name}`, title: "Predicted against actual",
      description: `Predicted by actual ${task.name}; R squared ${show(scores["r2"]!)}`,
      caption: `On the dashed line where right.${every > 1 ? ` Of ${every} examples one is drawn.` : ""}`,
    },
    range, range,
    (frame) => actual.map((value, i) => (i % every === 0 ? `<circle class="dot small" cx="${frame.x(value).toFixed(1)}" cy="${frame.y(values[i]!).toFixed(1)}" r="2.5"/>` : "")).join("") + guide(frame, range.low, range.low, range.high, range.high),
  );
  const errors = Array.from(values, (value, i) => value - actual[i]!);
  const words = `<p>Predictions are off by ${show(scores["mae"]!)} on average; the root of the mean square is ${show(scores["rmse"]!)}. They explain ${percent(scores["r2"]!)} of the variance of ${escape(task.name)}.</p>\n`;
  return { word: "Errors", heading: "How far it is off", content: words + beside(scatter, histogram(errors, task.name)) };
}

/** How often errors of each size occur. */
function histogram(errors: readonly number[], name: string): string {
  const sorted = errors.filter(Number.isFinite).sort((a, b) => a - b);
  // The outermost hundredth at either end would flatten the rest.
  const reach = Math.max(Math.abs(sorted[Math.floor(sorted.length * 0.01)] ?? 1), Math.abs(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 1)) || 1;
  const bins = 30;
  const counts = new Array<number>(bins).fill(0);
  for (const error of sorted) {
    const bin = Math.floor(((error + reach) / (2 * reach)) * bins);
    if (bin >= 0 && bin < bins) counts[bin]!++;
  }
  const outside = sorted.length - counts.reduce((sum, n) => sum + n, 0);
  const caption = outside > 0 ? `${count(outside)} errors are larger than what is shown.` : undefined;
  return chart(
    { x: `predicted less actual ${name}`, y: "examples", title: "Errors", description: "Histogram of the errors", ...(caption && { caption }) },
    { low: -reach, high: reach }, rounded({ low: 0, high: Math.max(1, ...counts) }),
    (frame) => counts.map((n, i) => {
      const [from, to] = [i, i + 1].map((edge) => frame.x(-reach + (2 * reach * edge) / bins)) as [number, number];
      return `<rect class="fill a" x="${(from + 0.5).toFixed(1)}" y="${frame.y(n).toFixed(1)}" width="${(to - from - 1).toFixed(1)}" height="${(frame.y(0) - frame.y(n)).toFixed(1)}"><title>${n}</title></rect>`;
    }).join("") + guide(frame, 0, 0, 0, Math.max(1, ...counts)),
  );
}
