/** The figures of a report: learning curves, the confusion matrix, the reliability diagram, predicted against actual. */
import type { EpochReport } from "@dormouse/train";
import { type Range, at, chart, curve, rangeOf } from "./chart.ts";
import { escape } from "./page.ts";

/** One chart for each score that was followed while training. */
export function learningCurves(history: readonly EpochReport[]): string {
  const names = Object.keys(history[0]?.train ?? {});
  const key = '<p><span class="key-a">training</span> and <span class="key-b">validation</span></p>\n';
  return key + names.map((name) => {
    const train = history.map((report) => report.train[name]!);
    const validation = history.map((report) => report.validation?.[name] ?? NaN);
    const labels = { x: "epoch", y: name, wholeX: true };
    return chart(labels, { low: 1, high: Math.max(2, history.length) }, rangeOf([...train, ...validation]), (frame) => curve(frame, train, "a") + curve(frame, validation, "b"));
  }).join("");
}

/** Counts by actual class (rows) and predicted class (columns), shaded by their share of the row. */
export function confusionFigure(counts: readonly (readonly number[])[], classes: readonly string[]): string {
  const cell = Math.max(18, Math.min(44, Math.floor(560 / classes.length)));
  const edge = 20 + 6.5 * Math.min(12, Math.max(...classes.map(({ length }) => length)));
  const size = edge + cell * classes.length + 4;
  const short = (name: string): string => escape(name.length > 12 ? `${name.slice(0, 11)}…` : name);
  const heads = classes.map((name, i) => {
    const middle = edge + (i + 0.5) * cell;
    return (
      `<text x="${edge - 6}" y="${middle}" dy=".35em" text-anchor="end">${short(name)}</text>` +
      `<text transform="translate(${middle} ${edge - 6}) rotate(-60)">${short(name)}</text>`
    );
  });
  const cells = counts.flatMap((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    return row.map((count, j) => {
      const [x, y] = [edge + j * cell, edge + i * cell];
      const text = count > 0 && cell >= 24 ? `<text class="count" x="${x + cell / 2}" y="${y + cell / 2}" dy=".35em" text-anchor="middle">${count}</text>` : "";
      const title = `<title>${escape(classes[i]!)} taken for ${escape(classes[j]!)}: ${count}</title>`;
      return `<g>${title}<rect class="cell" x="${x}" y="${y}" width="${cell - 1}" height="${cell - 1}" fill-opacity="${(0.05 + 0.65 * (count / total)).toFixed(2)}"/>${text}</g>`;
    });
  });
  return `<figure><svg viewBox="0 0 ${size} ${size}" width="${size}" height="${size}" role="img" aria-label="confusion matrix">${heads.join("")}${cells.join("")}</svg><figcaption>rows: actual class; columns: predicted class</figcaption></figure>\n`;
}

/** One bin of a reliability diagram: how sure the model was on average, and how often it was right. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
  readonly accuracy: number;
  readonly count: number;
}

/** Bars that end on the diagonal where confidence is what it should be. */
export function reliabilityFigure(bins: readonly ReliabilityBin[]): string {
  const unit: Range = { low: 0, high: 1 };
  const caption = "bars: share of right predictions; dots: mean confidence of the bin, on the dashed line where calibrated";
  return chart({ x: "confidence", y: "accuracy", caption }, unit, unit, (frame) => {
    const bars = bins.filter(({ count }) => count > 0).map(({ low, high, accuracy, confidence, count }) => {
      const [x, y] = [frame.x(low), frame.y(accuracy)];
      return (
        `<g><title>${count} predictions: accuracy ${accuracy.toFixed(3)}, confidence ${confidence.toFixed(3)}</title>` +
        `<rect class="bar" x="${at(x + 0.5)}" y="${at(y)}" width="${at(frame.x(high) - x - 1)}" height="${at(frame.y(0) - y)}"/>` +
        `<circle class="b" fill="var(--b)" cx="${at(frame.x(confidence))}" cy="${at(y)}" r="3"/></g>`
      );
    });
    return bars.join("") + diagonal(frame, unit);
  });
}

/** Predicted against actual values, on the dashed line where right. */
export function scatterFigure(name: string, actual: readonly number[], predicted: ArrayLike<number>): string {
  const range = rangeOf([...actual, ...Array.from(predicted)]);
  return chart({ x: `actual ${name}`, y: `predicted ${name}` }, range, range, (frame) =>
    actual.map((value, i) => `<circle class="dot" cx="${at(frame.x(value))}" cy="${at(frame.y(predicted[i]!))}" r="3"/>`).join("") + diagonal(frame, range),
  );
}

const diagonal = (frame: { x(value: number): number; y(value: number): number }, { low, high }: Range): string =>
  `<line class="guide" x1="${at(frame.x(low))}" y1="${at(frame.y(low))}" x2="${at(frame.x(high))}" y2="${at(frame.y(high))}"/>`;
