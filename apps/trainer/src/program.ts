/**
 * The command line: words and flags to requests, and whatever goes wrong to one line and an exit status. Parsing is
 * commander's, which refuses misspelt flags; values are checked by the settings.
 */
import { Command, CommanderError } from "commander";
import { printConfig, printSchema, validateConfig } from "./commands/config.ts";
import type { Context } from "./commands/context.ts";
import { calibrate, report as reportAgain } from "./commands/calibrate.ts";
import { doctor } from "./commands/doctor.ts";
import { evaluate } from "./commands/evaluate.ts";
import { exportModel } from "./commands/export.ts";
import { findRate } from "./commands/lr-find.ts";
import { init } from "./commands/init.ts";
import { inspect } from "./commands/inspect.ts";
import { predict } from "./commands/predict.ts";
import { compareRuns, listRuns, removeRuns } from "./commands/runs.ts";
import { sweep } from "./commands/sweep.ts";
import { train } from "./commands/train.ts";
import { type ExitCode, Failure, asFailure, exitCodes } from "./failure.ts";
import { type Given, readLayers } from "./layers.ts";
import { type Flag, flags } from "./settings.ts";
import { readingKeys } from "./sources/reading.ts";

type Texts = Readonly<Record<string, string | undefined>>;
interface Json {
  readonly json?: boolean;
}

/** Flags that every command takes. */
const deviceFlags = flags.filter(({ path }) => path[0] === "device" || path[0] === "threads");
/** Flags that say how a file of rows is read. */
const readingFlags = flags.filter(({ path }) => path[0] === "data" && (readingKeys as readonly string[]).includes(path.at(-1)!));
const dataFlags = flags.filter(({ path }) => path[0] === "data" || path[0] === "seed");
const calibrationFlags = flags.filter(({ path }) => path[0] === "calibration");

/** Runs a command line, without the words for Node and the script, and returns the exit status. */
export async function main(words: readonly string[], context: Context): Promise<ExitCode> {
  const { terminal } = context;
  let code: ExitCode = exitCodes.ok;
  const command = ["dormouse", ...words].map(quoted).join(" ");
  const program = new Command("dormouse").description("Trains, checks and applies small models.");
  const configure = (each: Command): Command =>
    each.exitOverride().configureOutput({ writeOut: terminal.out, writeErr: () => undefined }).showHelpAfterError(false);
  configure(program);

  const trainCommand = configure(program.command("train"))
    .description("Trains a model and writes a run folder: weights, scores, predictions and a report.")
    .argument("[data]", "digits (drawn, the default), a CSV file, a folder of IDX files, or mnist, fashion-mnist, idx with --data");
  addFlags(trainCommand, flags);
  trainCommand
    .option("--runs <folder>", "where run folders go", "runs")
    .option("--resume <run>", "go on with a run that was stopped")
    .option("--json", "print the results as one JSON object")
    .action(async (source: string | undefined, values: Texts & Json & { readonly runs: string }) => {
      const given = givenBy(values, context).settings;
      code = await train({ source, given, runs: values.runs, resume: values["resume"], json: values.json === true, command }, context);
    });

  const rateCommand = configure(program.command("lr-find"))
    .description("Tries growing learning rates for a moment each, and says at which one the loss falls fastest.")
    .argument("[data]", "as for train");
  addFlags(rateCommand, flags);
  rateCommand
    .option("--from <rate>", "the first rate", "1e-6")
    .option("--to <rate>", "the last rate", "1")
    .option("--steps <count>", "how many rates, one batch each", "100")
    .option("--out <file>", "write the curve there, as CSV")
    .option("--json", "print the curve as one JSON object")
    .action(async (source: string | undefined, values: Texts & Json) => {
      const { settings: given } = givenBy(values, context);
      const [from, to, steps] = (["from", "to", "steps"] as const).map((name) => numberOf(`--${name}`, values[name]!)) as [number, number, number];
      code = await findRate({ source, given, from, to, steps, out: values["out"], json: values.json === true }, context);
    });

  const sweepCommand = configure(program.command("sweep"))
    .description("Trains with many settings, in several processes, and makes an ensemble of the best runs.")
    .argument("[data]", "as for train");
  addFlags(sweepCommand, flags);
  sweepCommand
    .option("--try <setting=values>", "a list, as training.batch=16,32, or a range, as training.learningRate=log:1e-4..1e-1; may be repeated", collect, [])
    .option("--search <way>", "grid, random or halving (default: grid)", "grid")
    .option("--trials <count>", "how many random draws")
    .option("--monitor <part.score>", "what decides", "validation.loss")
    .option("--ensemble <count>", "how many of the best runs make an ensemble, 0 for none", "3")
    .option("--workers <count>", "processes at a time (default: half of the processors)")
    .option("--runs <folder>", "where the folder of the search goes", "runs")
    .option("--resume <folder>", "go on with a search that was stopped")
    .option("--json", "print the results as one JSON object")
    .action(async (source: string | undefined, values: Texts & Json & { readonly try: readonly string[] }) => {
      const { settings: given } = givenBy(values, context);
      const count = (name: string, least: number): number | null => (values[name] === undefined ? null : numberOf(`--${name}`, values[name], least));
      code = await sweep({
        source: source ?? null, given, axes: values.try, search: values["search"]!, trials: count("trials", 1), monitor: values["monitor"]!,
        ensemble: count("ensemble", 0)!, workers: count("workers", 1), runs: values["runs"]!, resume: values["resume"] ?? null, json: values.json === true,
      }, context);
    });

  const evaluateCommand = configure(program.command("evaluate"))
    .description("Scores a trained model on its test part, or on other data.")
    .argument("<run>", "run folder")
    .argument("[data]", "a CSV file with the target, or a folder of IDX files")
    .option("--data <path>", "the same as the second argument")
    .option("--min <score=number>", "fail with status 5 if the score is lower; may be repeated", collect, [])
    .option("--max <score=number>", "fail with status 5 if the score is higher; may be repeated", collect, []);
  addFlags(evaluateCommand, [...readingFlags, ...deviceFlags]);
  evaluateCommand
    .option("--json", "print the results as one JSON object")
    .action(async (run: string, data: string | undefined, values: Texts & Json & Gates) => {
      const { min, max, json = false } = values;
      code = await evaluate({ run, data: data ?? values["data"], min, max, json, given: givenBy(values, context).settings }, context);
    });

  const calibrateCommand = configure(program.command("calibrate"))
    .description("Calibrates a trained model anew, and scores and reports it.")
    .argument("<run>", "run folder");
  addFlags(calibrateCommand, [...calibrationFlags, ...deviceFlags]);
  calibrateCommand
    .option("--json", "print the results as one JSON object")
    .action(async (run: string, values: Texts & Json) => {
      code = await calibrate({ run, command, json: values.json === true, given: givenBy(values, context).settings }, context);
    });

  const reportCommand = configure(program.command("report"))
    .description("Scores a trained model anew, and writes its report.")
    .argument("<run>", "run folder");
  addFlags(reportCommand, deviceFlags);
  reportCommand
    .option("--json", "print the results as one JSON object")
    .action(async (run: string, values: Texts & Json) => {
      code = await reportAgain({ run, command, json: values.json === true, given: givenBy(values, context).settings }, context);
    });

  const predictCommand = configure(program.command("predict"))
    .description("Predicts rows of a file, or images, and prints CSV: the class with all probabilities, or the value.")
    .argument("<run>", "run folder")
    .argument("<data>", "a file of rows (CSV, JSON lines, Parquet); or images: IDX files or their folder, NPY, PNG, JPEG, a folder of these")
    .option("--out <file>", "write there instead of to standard output; as JSON lines if it ends in .jsonl");
  addFlags(predictCommand, [...readingFlags, ...deviceFlags]);
  predictCommand.action(async (run: string, data: string, values: Texts) => {
    code = await predict({ run, data, out: values["out"], given: givenBy(values, context).settings }, context);
  });

  configure(program.command("export"))
    .description("Writes a trained model for use elsewhere: weights with a description, ONNX, and a page that predicts.")
    .argument("<run>", "run folder")
    .option("--format <names>", "safetensors, onnx, html, or several as onnx,html (default: all)")
    .option("--out <folder>", "where to write (default: the folder export of the run)")
    .action(async (run: string, values: Texts) => {
      code = await exportModel({ run, formats: values["format"], out: values["out"] }, context);
    });

  const inspectCommand = configure(program.command("inspect"))
    .description("Tells what data is like, and what is wrong with it, without training.")
    .argument("[data]", "as for train");
  addFlags(inspectCommand, dataFlags);
  inspectCommand.option("--json", "print the results as one JSON object").action(async (source: string | undefined, values: object & Json) => {
    code = await inspect({ source, given: givenBy(values, context).settings, json: values.json === true }, context);
  });

  const initCommand = configure(program.command("init"))
    .description("Writes a file of settings for data, to be changed and trained with.")
    .argument("[data]", "as for train");
  addFlags(initCommand, flags);
  initCommand
    .option("--out <file>", "name of the file", "dormouse.yaml")
    .action(async (source: string | undefined, values: object & { readonly out: string }) => {
      code = await init({ source, given: givenBy(values, context).settings, out: values.out }, context);
    });

  const runsCommand = configure(program.command("runs")).description("Lists, compares and deletes runs.");
  configure(runsCommand.command("list"))
    .description("Lists runs, the oldest first.")
    .option("--runs <folder>", "where run folders are", "runs")
    .option("--json", "print the results as one JSON list")
    .action((values: Json & { readonly runs: string }) => {
      code = listRuns(values.runs, values.json === true, context);
    });
  configure(runsCommand.command("compare"))
    .description("Shows settings in which runs differ, and their scores.")
    .argument("<runs...>", "run folders")
    .option("--json", "print the results as one JSON list")
    .action((paths: readonly string[], values: Json) => {
      code = compareRuns(paths, values.json === true, context);
    });
  configure(runsCommand.command("rm"))
    .description("Deletes runs.")
    .argument("<runs...>", "run folders")
    .action((paths: readonly string[]) => {
      code = removeRuns(paths, context);
    });

  configure(program.command("doctor"))
    .description("Tells what this machine offers: engine, threads, SIMD, GPU.")
    .option("--json", "print the results as one JSON list")
    .action(async (values: Json) => {
      code = await doctor(values.json === true, context);
    });

  const configCommand = configure(program.command("config")).description("Shows and checks settings.");
  const configPrint = configure(configCommand.command("print"))
    .description("Prints the complete settings that train would use, with the places they come from.")
    .argument("[data]", "as for train");
  addFlags(configPrint, flags);
  configPrint.action((source: string | undefined, values: object) => {
    code = printConfig(source, givenBy(values, context), context);
  });
  configure(configCommand.command("validate"))
    .description("Checks files of settings.")
    .argument("<files...>", "YAML files")
    .action((files: readonly string[]) => {
      code = validateConfig(files, context);
    });
  configure(configCommand.command("schema"))
    .description("Prints the JSON Schema of files of settings, for editors.")
    .action(() => {
      code = printSchema(context);
    });

  try {
    await program.parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    return report(error, terminal.error);
  }
}

interface Gates {
  readonly min: readonly string[];
  readonly max: readonly string[];
}

/** Flags for some settings, and the other ways to give any of them. */
function addFlags(command: Command, list: readonly Flag[]): void {
  for (const { flag, help } of list) command.option(flag, help);
  command
    .option("--config <file>", "settings in YAML; may be repeated, later files win", collect, [])
    .option("--set <setting=value>", "any setting, as training.epochs=3; may be repeated, and wins over all others", collect, []);
}

/** What files, the environment, flags and `--set` say together. */
function givenBy(values: object, { environment }: Context): Given {
  const { config, set } = values as { readonly config: readonly string[]; readonly set: readonly string[] };
  return readLayers({ config, environment, flags: values as Texts, set });
}

/** The number that a flag was given; with `least` a whole one from there. */
function numberOf(flag: string, text: string, least?: number): number {
  const value = text.trim() === "" ? NaN : Number(text);
  const holds = least === undefined ? Number.isFinite(value) : Number.isInteger(value) && value >= least;
  if (holds) return value;
  throw new Failure("usage", `${flag} ${text}: must be ${least === undefined ? "a number" : `a whole number of at least ${least}`}`);
}

const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];

function report(error: unknown, write: (text: string) => void): ExitCode {
  if (error instanceof CommanderError) {
    // Help and version have been printed and are no errors.
    if (error.exitCode === 0) return exitCodes.ok;
    write(`dormouse: ${error.message.replace(/^error: /, "").replaceAll("\n", " ")}\n`);
    return exitCodes.usage;
  }
  const failure = asFailure(error);
  if (failure) {
    write(`dormouse: ${failure.message.replaceAll("\n", " ")}\n`);
    return failure.code;
  }
  write(`dormouse: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.bug;
}

/** A word as a shell takes it back. */
const quoted = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
