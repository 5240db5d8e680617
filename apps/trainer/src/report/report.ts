/** `report.html` of a run: what was trained, how it went, how good it is, and how to do it again. */
import { readFileSync } from "node:fs";
import { confusionOf, reliabilityOf } from "../diagnosis.ts";
import { type Conclusion, type ConclusionInput, secondsOf } from "../conclusion.ts";
import { type RunFolder, commandOf } from "../runFolder.ts";
import { type Problem, partNames } from "../sources/source.ts";
import { confusionFigure, learningCurves, reliabilityFigure, scatterFigure } from "./figures.ts";
import { escape, page, section, show, table } from "./page.ts";

export type ReportInput = Omit<ConclusionInput, "calibration"> & Conclusion;

/** Writes the report into the folder of the run. */
export async function writeReport(folder: RunFolder, input: ReportInput): Promise<void> {
  const { settings, problem, history, parts } = input;
  const { task } = problem.schema;
  const names = Object.keys(parts.test.scores);
  const sizes = partNames.map((name) => `${problem.parts[name].length} ${name}`).join(", ");
  const { epochs } = settings.training;
  const ended = history.length < epochs ? `stopped early after ${history.length} of ${epochs} epochs` : `${history.length} epochs`;
  const content = [
    `<h1>${escape(settings.data.name)}</h1>\n`,
    `<p class="quiet">${escape(`${describe(task.kind)} of ${task.name}; ${settings.model.kind}; ${sizes} examples; ${ended} in ${secondsOf(input).toFixed(1)} s`)}</p>\n`,
    section("Scores", table(["", ...names], partNames.map((name) => [name, ...names.map((score) => show(parts[name].scores[score]!))]))),
    section("Learning curves", learningCurves(history)),
    await figures(input),
    problem.notes.length > 0 ? section("Data", `<ul>${problem.notes.map((note) => `<li>${escape(note)}</li>`).join("")}</ul>\n`) : "",
    section("Configuration", `<pre>${escape(readFileSync(folder.at("config.resolved.yaml"), "utf8"))}</pre>\n`),
    section("Again", `<p>This command repeats the run:</p><pre>${escape(commandOf(folder))}</pre>\n`),
    section("Environment", `<pre>${escape(readFileSync(folder.at("env.json"), "utf8"))}</pre>\n`),
  ];
  folder.write("report.html", page(`${settings.data.name}: Dormouse report`, content.join("")));
}

const describe = (kind: Problem["schema"]["task"]["kind"]): string =>
  ({ regression: "regression", binary: "classification (two classes)", multiclass: "classification" })[kind];

/** What the predictions for the test part look like. */
async function figures({ problem: { schema: { task } }, parts: { test: { predictions, targets } } }: ReportInput): Promise<string> {
  if (task.kind === "regression") {
    const actual = Array.from(targets, (value) => value * task.deviation + task.mean);
    return section("Predicted and actual values, test", scatterFigure(task.name, actual, predictions.values));
  }
  const confusion = confusionFigure(await confusionOf(predictions, targets, task.classes.length), task.classes);
  const reliability = reliabilityFigure(await reliabilityOf(predictions, targets));
  return section("Confusion matrix, test", confusion) + section("Reliability, test", reliability);
}
