/** `dormouse train`: data in; a run folder with a model, its scores and a report out. */
import { parameterCount } from "@dormouse/nn";
import type { Device } from "@dormouse/tensor/graph";
import { stringify } from "yaml";
import { checkCalibration, describeCalibration } from "../calibration.ts";
import { conclude } from "../conclusion.ts";
import { resultsOf, scoresByPart, secondsOf } from "../results.ts";
import { onDevice } from "../device.ts";
import { environment } from "../environment.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { type Network, buildModel } from "../models.ts";
import { readSettings } from "../layers.ts";
import { type RunFolder, createRunFolder, openRunFolder } from "../runFolder.ts";
import { readSchema } from "../schema.ts";
import { scoreTable } from "../scores.ts";
import { type PartialSettings, type Settings, changedSettings, resolveSettings } from "../settings.ts";
import { type Problem, partNames, readProblem, sourceOf } from "../sources/source.ts";
import { changeable, interrupted, interruptible, learn, requirePrecision } from "../training.ts";
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
    requirePrecision(settings, problem.schema.task, device);
    const model = buildModel(settings, problem.schema);
    const folder = request.resume === undefined ? newFolder(request, settings, problem, device) : await oldFolder(request.resume, settings, problem);
    const { say } = loggedTo(folder, context);
    introduce(say, settings, problem, model, device);
    const run = await learn(settings, problem, model, folder, context);
    if (run.reason === "aborted") throw interrupted(folder, context);
    const conclusion = await conclude(folder, { settings, problem: interruptible(problem, folder, context), model: run.model });
    const last = run.reason === "finished" ? "" : ` (${run.reason} after epoch ${run.history.length})`;
    say(`trained for ${secondsOf(conclusion).toFixed(1)} s${last}\n`);
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
  return createRunFolder(runs, settings.data.name, now, {
    "config.resolved.yaml": stringify(settings), "schema.json": schema, "env.json": environment(command, device, now),
  });
}

/** A run that goes on must find the data it began with. */
async function oldFolder(path: string, settings: Settings, { schema }: Problem): Promise<RunFolder> {
  const folder = openRunFolder(path);
  const before = await readSchema(folder.at("schema.json"));
  if (JSON.stringify(before) !== JSON.stringify(schema)) {
    throw new Failure("data", `${path}: the data is not what the run began with; its columns or values have changed`);
  }
  folder.write("config.resolved.yaml", stringify(settings));
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
  const { model: { kind }, training: { precision } } = settings;
  say(`${settings.data.name}: ${problem.schema.task.kind}; ${sizes}\n`);
  for (const note of problem.notes) say(`  ${note}\n`);
  say(`${kind} with ${parameterCount(model).toLocaleString("en-US")} parameters on ${device.name}${precision === "mixed" ? ", in mixed precision" : ""}\n`);
}
