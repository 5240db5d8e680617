/** `report.html` of a run: how good the model is, how far to trust it, how it came about, and how to do it again. */
import { readFileSync } from "node:fs";
import { type Conclusion, type ConclusionInput, secondsOf } from "../results.ts";
import { type RunFolder, commandOf } from "../runFolder.ts";
import type { SplitScores } from "../scores.ts";
import type { Task } from "../schema.ts";
import { partNames } from "../sources/source.ts";
import { columnsSection } from "./columns.ts";
import { costsSection } from "./costs.ts";
import { errorsSection, mistakesSection, rankingSection } from "./mistakes.ts";
import { type Section, contents, count, escape, folded, list, page, percent, section, show, table, tiles, verbatim } from "./page.ts";
import { promiseSection } from "./promise.ts";
import { trainingSection } from "./training.ts";
import { trustSection } from "./trust.ts";

export type ReportInput = Omit<ConclusionInput, "calibration"> & Conclusion;

/** Writes the report into the folder of the run. */
export async function writeReport(folder: RunFolder, input: ReportInput): Promise<void> {
  const { settings, problem } = input;
  const { task } = problem.schema;
  const sections = [scoresSection(input), ...(await judgement(input)), trainingSection(input.history), await columnsSection(input), runSection(folder, input)];
  const present = sections.filter((each) => each !== null);
  const started = (JSON.parse(readFileSync(folder.at("env.json"), "utf8")) as { readonly started: string }).started.slice(0, 10);
  const head =
    `<header>\n<p class="quiet">Dormouse report</p>\n<h1>${escape(settings.data.name)}</h1>\n` +
    `<p class="quiet">${escape(`${describe(task)}; ${settings.model.kind}; trained on ${count(problem.parts.train.length)} examples, ${started}`)}</p>\n` +
    `${tiles(keyFigures(input))}${contents(present)}</header>\n`;
  folder.write("report.html", page(`${settings.data.name}: Dormouse report`, head + present.map(section).join("")));
}

function describe(task: Task): string {
  if (task.kind === "regression") return `Regression of ${task.name}`;
  const names = task.classes.length > 6 ? `${task.classes.length} classes` : task.classes.join(", ");
  return `Classification of ${task.name}: ${names}`;
}

/** What one looks for first, of the test part. */
function keyFigures({ parts: { test }, problem: { schema: { task } }, calibration: { conformal } }: ReportInput) {
  const { scores } = test;
  const promised = conformal === null ? [] : [{ name: "Coverage", value: percent(scores["coverage"]!), hint: `promised ${percent(1 - conformal.alpha, 0)}` }];
  if (task.kind === "regression") {
    return [
      { name: "R²", value: scores["r2"]!.toFixed(3), hint: "of the variance explained" },
      { name: "Mean error", value: show(Number(scores["mae"]!.toPrecision(3))), hint: `of ${task.name}, absolute` },
      { name: "Root mean square error", value: show(Number(scores["rmse"]!.toPrecision(3))), hint: "large errors weigh more" },
      ...promised,
    ];
  }
  return [
    { name: "Accuracy", value: percent(scores["accuracy"]!), hint: `of ${count(test.targets.length)} test examples` },
    { name: "ROC AUC", value: Number.isNaN(scores["rocAuc"]) ? "–" : scores["rocAuc"]!.toFixed(3), hint: task.kind === "binary" ? `ranking of ${task.classes[1]!}` : "mean over classes" },
    { name: "Calibration error", value: scores["ece"]!.toFixed(3), hint: "0 is perfect" },
    ...promised,
  ];
}

/** How scores are headed, and what they mean. */
const meanings: Readonly<Record<string, readonly [heading: string, meaning: string]>> = {
  loss: ["loss", "what training lowers: of calibrated probabilities the mean of −log p(actual class), of values the mean square error in standard deviations"],
  accuracy: ["accuracy", "share of examples whose likeliest class is right"],
  rocAuc: ["ROC AUC", "chance that an example of a class ranks above one that is not; 0.5 is guessing"],
  ece: ["ECE", "expected calibration error: how far confidence is from the share that is right, on average over 15 bins"],
  coverage: ["coverage", "share of examples whose conformal set or interval holds the truth"],
  setSize: ["set size", "mean number of classes in a conformal set"],
  width: ["width", "width of conformal intervals, in the unit of the target"],
  r2: ["R²", "share of the variance that is explained; 0 is always guessing the mean"],
  rmse: ["RMSE", "root of the mean square error, in the unit of the target"],
  mae: ["MAE", "mean absolute error, in the unit of the target"],
};

/** Scores in the unit of the target; all others are shown with four digits after the point. */
const inUnit = ["width", "rmse", "mae"];

function scoresSection({ problem, parts }: ReportInput): Section {
  const names = Object.keys(parts.test.scores);
  const cell = (scores: SplitScores, name: string): string => (inUnit.includes(name) || !Number.isFinite(scores[name]) ? show(scores[name]!) : scores[name]!.toFixed(4));
  const rows = partNames.map((name) => [name, count(problem.parts[name].length), ...names.map((score) => cell(parts[name].scores, score))]);
  const words = "<p>The test part decides: neither the weights, nor when to stop, nor the calibration has seen it.</p>\n";
  const heads = names.map((name) => meanings[name]?.[0] ?? name);
  const glossary = folded("What the scores mean", list(names.map((name) => `${meanings[name]?.[0] ?? name} (${name}): ${meanings[name]?.[1] ?? "a score of this task"}`)));
  return { word: "Scores", heading: "How good it is", content: words + table("Scores by part of the data", ["part", "examples", ...heads], rows, { marked: rows.length - 1 }) + glossary };
}

/** What the predictions for the test part look like. */
async function judgement({ problem: { schema: { task } }, parts, calibration, settings }: ReportInput): Promise<(Section | null)[]> {
  const both = { test: parts.test, held: parts.calibration };
  if (task.kind === "regression") return [errorsSection(task, parts.test), await promiseSection(task, both, calibration)];
  return [
    await mistakesSection(task, parts.test),
    await rankingSection(task, parts.test),
    await trustSection(both, calibration),
    await promiseSection(task, both, calibration),
    await costsSection(task, parts.test, settings.calibration.costs),
  ];
}

function runSection(folder: RunFolder, input: ReportInput): Section {
  const { problem, history, settings, calibration: { command } } = input;
  const { epochs } = settings.training;
  const ended = history.length < epochs ? `stopped after ${history.length} of at most ${epochs} epochs` : `ran for ${epochs} epochs`;
  const data = problem.notes.length > 0 ? `<h3>Data</h3>\n${list(problem.notes)}` : "";
  const trained = history.length > 0 ? `Training ${ended}, ${secondsOf(input).toFixed(1)} seconds in all. ` : "";
  const file = (name: string): string => readFileSync(folder.at(name), "utf8");
  return {
    word: "Run", heading: "How to do it again",
    content:
      `<p>${trained}${command === undefined ? "This command repeats" : "These commands repeat"} the run:</p>\n${verbatim([commandOf(folder), ...(command === undefined ? [] : [command])].join("\n"))}${data}` +
      folded("Configuration", verbatim(file("config.resolved.yaml"))) + folded("Environment", verbatim(file("env.json"))),
  };
}
