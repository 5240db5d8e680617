/** How far its probabilities can be trusted: reliability before and after calibration. */
import { expectedCalibrationError, logLoss, reliability } from "@dormouse/metrics";
import { type Tensor, tensor } from "@dormouse/tensor";
import { type Calibration, describeCalibration } from "../calibration.ts";
import type { PartResult } from "../results.ts";
import { at, beside, chart, guide, unit } from "./chart.ts";
import { type Section, count, escape, table } from "./page.ts";

const bins = 15;

/** Reliability diagrams of the test part, and what calibration changed in numbers. */
export async function trustSection({ test, held }: { readonly test: PartResult; readonly held: PartResult }, calibration: Calibration): Promise<Section> {
  const { predictions, targets } = test;
  const isMended = calibration.map.method !== "none";
  const before = await reliabilityFigure(isMended ? "Before calibration" : "As the model says", predictions.raw.probabilities!, targets);
  const after = isMended ? await reliabilityFigure("After calibration", predictions.probabilities!, targets) : "";
  const rows: string[][] = [];
  for (const [name, part] of [["calibration", held], ["test", test]] as const) {
    rows.push([`${name}, before`, ...(await numbersOf(part.predictions.raw.probabilities!, part.targets))]);
    if (isMended) rows.push([`${name}, after`, ...(await numbersOf(part.predictions.probabilities!, part.targets))]);
  }
  const words = `<p>Of predictions made with 80 % confidence, 80 % should be right. Bars show how many are; the dots show the confidence. Calibration: ${escape(describeCalibration(calibration))}.</p>\n`;
  const numbers = table("Calibration in numbers", ["part", "expected calibration error", "loss"], rows, isMended ? { marked: rows.length - 1 } : {});
  return { word: "Trust", heading: "How far its probabilities can be trusted", content: words + beside(before, after) + numbers };
}

async function numbersOf(probabilities: Tensor, targets: ArrayLike<number>): Promise<string[]> {
  if (targets.length === 0) return ["–", "–"];
  const labels = tensor(Array.from(targets), { dtype: "int32" });
  return [(await expectedCalibrationError(probabilities, labels, { bins })).toFixed(4), (await logLoss(probabilities, labels).item()).toFixed(4)];
}

/** Bars of how often predictions of each confidence are right; the dots on them lie on the diagonal where calibrated. */
async function reliabilityFigure(title: string, probabilities: Tensor, targets: ArrayLike<number>): Promise<string> {
  const found = await reliability(probabilities, Array.from(targets), { bins });
  const error = found.expectedError.toFixed(4);
  const most = Math.max(...found.count);
  const labels = {
    x: "confidence", y: "share that is right", title,
    description: `${title}: share of right predictions by confidence; expected calibration error ${error}`,
    caption: `Expected calibration error ${error}, largest gap ${found.maximumError.toFixed(3)}. The stronger the color of a bar, the more predictions are in it.`,
  };
  return chart(labels, unit, unit, (frame) => {
    const bars = Array.from(found.count, (n, bin) => {
      if (n === 0) return "";
      const [low, high] = [frame.x(found.edges[bin]!), frame.x(found.edges[bin + 1]!)];
      const [confidence, accuracy] = [found.confidence[bin]!, found.accuracy[bin]!];
      const words = `${count(n)} predictions: confidence ${confidence.toFixed(3)}, right ${accuracy.toFixed(3)}`;
      return (
        `<g><title>${words}</title><rect class="fill a" style="fill-opacity:${(0.25 + 0.6 * Math.sqrt(n / most)).toFixed(2)}" x="${at(low + 1)}" y="${at(frame.y(accuracy))}" width="${at(high - low - 2)}" height="${at(frame.y(0) - frame.y(accuracy))}"/>` +
        `<circle class="dot b" cx="${at(frame.x(confidence))}" cy="${at(frame.y(accuracy))}" r="3.5"/></g>`
      );
    });
    return guide(frame, 0, 0, 1, 1) + bars.join("");
  });
}
