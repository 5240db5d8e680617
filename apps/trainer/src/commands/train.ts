/** `dormouse train`: data in; a run folder with a model, its scores and a report out. */
import { parameterCount } from "@dormouse/nn";
import { type Optimizer, adam, adamW, cosineDecay, sgd } from "@dormouse/optim";
import type { Device } from "@dormouse/tensor/graph";
import { type Callback, checkpoint, earlyStopping, progress } from "@dormouse/train";
import { stringify } from "yaml";
import { checkCalibration, describeCalibration } from "../calibration.ts";
import { conclude, resultsOf, scoresByPart } from "../conclusion.ts";
import { onDevice } from "../device.ts";
import { environment } from "../environment.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { trainNetwork } from "../learning.ts";
import { type Network, buildModel, forward } from "../models.ts";
import { readSettings } from "../layers.ts";
import { type RunFolder, createRunFolder, openRunFolder } from "../runFolder.ts";
import { readSchema } from "../schema.ts";
import { scoreTable } from "../scores.ts";
import { type PartialSettings, type Settings, changedSettings, resolveSettings } from "../settings.ts";
import { type Problem, partNames, readProblem, sourceOf } from "../sources/source.ts";
import { objectiveOf } from "../tasks.ts";
import type { Context } from "./context.ts";

export interface TrainRequest {
  /** Word, folder or file that names the data. */
  readonly source: string | undefined;
  readonly given: PartialSettings;
  readonly runs: string;
  readonly resume: string | undefined;
  readonly json: boolean;
  /** The command as it was typed. */
  readonly command: string;
}

/** Runs the command. */
export async function train(request: TrainRequest, context: Context): Promise<ExitCode> {
  const settings = request.resume === undefined ? freshSettings(request) : await resumedSettings(request, request.resume);
  return onDevice(settings, async (device) => {
    const problem = await readProblem(settings);
    checkCalibration(problem.schema.task, settings.calibration);
    const model = buildModel(settings, problem.schema);
    const folder = request.resume === undefined ? newFolder(request, settings, problem, device) : await oldFolder(request.resume, problem);
    folder.write("config.resolved.yaml", stringify(settings));
    const { say } = loggedTo(folder, context);
    introduce(say, settings, problem, model, device);
    const { run, seconds } = await learn(settings, problem, model, folder, context);
    if (run.reason === "aborted") throw interrupted(folder, context);
    const conclusion = await conclude(folder, { settings, problem, model: run.model });
    const last = run.reason === "stopped early" ? ` (stopped early after epoch ${run.history.length})` : "";
    say(`trained for ${seconds.toFixed(1)} s${last}\n`);
    say(`calibration: ${describeCalibration(conclusion.calibration)}\n`);
    if (request.json) context.terminal.out(`${JSON.stringify(resultsOf(folder, problem, conclusion))}\n`);
    else {
      context.terminal.out(`${scoreTable(scoresByPart(conclusion))}\nreport      ${folder.at("report.html")}\ncheckpoint  ${folder.best}\n`);
    }
    return exitCodes.ok;
  });
}

function freshSettings({ source, given }: TrainRequest): Settings {
  const data = sourceOf(source, given);
  return resolveSettings(data.source!, given, { data });
}

/** What may change when a run goes on: how long it goes on, and on what. */
const changeable = ["training.epochs", "training.patience", "device", "threads"];

async function resumedSettings({ source, given }: TrainRequest, path: string): Promise<Settings> {
  if (source !== undefined) throw new Failure("usage", `--resume goes on with the data of the run; leave out ${source}`);
  const before = readSettings(openRunFolder(path).at("config.resolved.yaml"));
  const settings = resolveSettings(before.data.source, before, given);
  const fixed = changedSettings(before, settings).find((key) => !changeable.includes(key));
  if (fixed) throw new Failure("usage", `--resume cannot change ${fixed}; only ${changeable.join(", ")}`);
  return settings;
}

function newFolder({ runs, command }: TrainRequest, settings: Settings, { schema }: Problem, device: Device): RunFolder {
  const now = new Date();
  const folder = createRunFolder(runs, settings.data.name, now);
  folder.write("schema.json", schema);
  folder.write("env.json", environment(command, device, now));
  return folder;
}

/** A run that goes on must find the data it began with. */
async function oldFolder(path: string, { schema }: Problem): Promise<RunFolder> {
  const folder = openRunFolder(path);
  const before = await readSchema(folder.at("schema.json"));
  if (JSON.stringify(before) !== JSON.stringify(schema)) {
    throw new Failure("data", `${path}: the data is not what the run began with; its columns or values have changed`);
  }
  return folder;
}

/** Lines for a person, which the log of the run keeps too. */
function loggedTo(folder: RunFolder, { terminal }: Context): { say: (text: string) => void } {
  return {
    say(text) {
      terminal.error(text);
      folder.log(text);
    },
  };
}

function introduce(say: (text: string) => void, settings: Settings, problem: Problem, model: Network, device: Device): void {
  const sizes = partNames.map((name) => `${name} ${problem.parts[name].length}`).join(", ");
  const { kind } = settings.model;
  say(`${settings.data.name}: ${problem.schema.task.kind}; ${sizes}\n`);
  for (const note of problem.notes) say(`  ${note}\n`);
  say(`${kind} with ${parameterCount(model).toLocaleString("en-US")} parameters on ${device.name}\n`);
}

async function learn(settings: Settings, { parts, schema }: Problem, model: Network, folder: RunFolder, { terminal, signal }: Context) {
  const { epochs, batch, patience } = settings.training;
  const { loss, metrics } = objectiveOf(schema.task);
  const callbacks: Callback<Network>[] = [
    checkpoint<Network>(folder.checkpoints, { resume: true, restoreBest: true }),
    metricsLog(folder),
    progress({ write: terminal.error, live: terminal.live }),
    progress({ write: (text) => folder.log(text), live: false }),
  ];
  if (patience !== null) callbacks.push(earlyStopping<Network>({ patience, restoreBest: false }));
  const steps = epochs * Math.ceil(parts.train.length / batch);
  const started = performance.now();
  const run = await trainNetwork(model, settings, schema.task, {
    data: { train: parts.train, validation: parts.validation },
    loss, metrics, optimizer: optimizerOf(settings.training, steps), epochs, batch, seed: settings.seed, forward, callbacks, signal,
  });
  return { run, seconds: (performance.now() - started) / 1000 };
}

/** One line of JSON per epoch, written anew from the history so that a resumed run has each epoch once. */
const metricsLog = (folder: RunFolder): Callback<Network> => ({
  epoch(_report, { history }) {
    folder.write("metrics.jsonl", history.map((report) => `${JSON.stringify(report)}\n`).join(""));
  },
});

function optimizerOf({ optimizer, learningRate: rate, schedule, weightDecay }: Settings["training"], steps: number): Optimizer {
  const learningRate = schedule === "cosine" ? cosineDecay(rate, steps) : rate;
  // Biases do not decay: pulling them to 0 has no statistical reason.
  const options = { learningRate, weightDecay, decays: (path: string) => !path.endsWith("bias") };
  switch (optimizer) {
    case "adam":
      return adam(options);
    case "adamw":
      return adamW(options);
    case "sgd":
      return sgd({ ...options, momentum: 0.9 });
  }
}

function interrupted(folder: RunFolder, { signal }: Context): Failure {
  const reason = signal.reason === "SIGTERM" ? "terminated" : "interrupted";
  return new Failure(reason, `${reason}; everything so far is saved, go on with: dormouse train --resume ${folder.path}`);
}
