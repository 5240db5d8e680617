/** How training went: the scores of every epoch, the learning rate and the size of gradients. */
import type { EpochReport } from "@dormouse/train";
import { beside, chart, dots, legend, line, rangeOf, rounded } from "./chart.ts";
import { type Section, show } from "./page.ts";

/** Curves over epochs; null for a model that was not trained in epochs. */
export function trainingSection(history: readonly EpochReport[]): Section | null {
  if (history.length === 0) return null;
  const epochs = history.map(({ epoch }) => epoch + 1);
  const across = { low: 1, high: Math.max(2, history.length) };
  const losses = history.map(({ validation }) => validation?.["loss"] ?? NaN);
  const best = losses.indexOf(Math.min(...losses.filter((loss) => !Number.isNaN(loss))));
  const scores = Object.keys(history[0]!.train).map((name) => {
    const train = history.map((report) => report.train[name]!);
    const validation = history.map((report) => report.validation?.[name] ?? NaN);
    const labels = {
      x: "epoch", y: name, wholeX: true,
      description: `${name} by epoch: training from ${show(train[0]!)} to ${show(train.at(-1)!)}, validation from ${show(validation[0]!)} to ${show(validation.at(-1)!)}`,
    };
    const kept = best < 0 ? [] : [{ x: best + 1, y: validation[best]!, title: `kept: epoch ${best + 1}, ${name} ${show(validation[best]!)}`, style: "b" }];
    return chart(labels, across, rounded(rangeOf([...train, ...validation])), (frame) =>
      line(frame, epochs, train, "a") + line(frame, epochs, validation, "b") + dots(frame, kept));
  });
  const others = ([["gradientNorm", "norm of the gradient"], ["learningRate", "learning rate"]] as const).flatMap(([key, name]) => {
    const values = history.map((report) => report[key] ?? NaN);
    // A rate that never changes needs no picture.
    if (!values.some((value) => Number.isFinite(value) && value !== values[0])) return [];
    const labels = { x: "epoch", y: name, wholeX: true, description: `${name} by epoch, from ${show(values[0]!)} to ${show(values.at(-1)!)}` };
    return [chart(labels, across, rounded(rangeOf([0, ...values])), (frame) => line(frame, epochs, values, "c"))];
  });
  const dot = best < 0 ? "" : `, whose best loss, at the dot, decides which weights are kept: those of epoch ${best + 1}`;
  const words = `<p>Scores while training, before calibration. The model learns from training examples only; whether it learned anything general shows on validation examples${dot}.</p>\n`;
  return { word: "Training", heading: "How training went", content: words + legend([["a", "training"], ["b", "validation"]]) + beside(...scores, ...others) };
}
