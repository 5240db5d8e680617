/** `dormouse calibrate`: another calibration for a trained model, and everything that follows from it anew. */
import { stringify } from "yaml";
import { checkCalibration, describeCalibration } from "../calibration.ts";
import { conclude } from "../conclusion.ts";
import { onDevice } from "../device.ts";
import { type ExitCode, exitCodes } from "../failure.ts";
import { type Conclusion, resultsOf, scoresByPart } from "../results.ts";
import { scoreTable } from "../scores.ts";
import { type PartialSettings, resolveSettings } from "../settings.ts";
import { type Problem, readProblem } from "../sources/source.ts";
import { type TrainedRun, calibrationOf, loadModel, openRun } from "../trained.ts";
import type { Context } from "./context.ts";

export interface AgainRequest {
  readonly run: string;
  readonly given: PartialSettings;
  readonly json: boolean;
  /** The command as it was typed. */
  readonly command: string;
}

/** Runs the command: fits a calibration with the settings that are given, scores and reports with it. */
export async function calibrate(request: AgainRequest, { terminal }: Context): Promise<ExitCode> {
  const before = await openRun(request.run, request.given);
  const { calibration = {} } = request.given;
  const trained = { ...before, settings: resolveSettings(before.settings.data.source, before.settings, { calibration }) };
  return again(trained, async (problem) => {
    checkCalibration(trained.schema.task, trained.settings.calibration);
    trained.folder.write("config.resolved.yaml", stringify(trained.settings));
    const conclusion = await conclude(trained.folder, { ...trained, problem, model: await loadModel(trained), command: request.command });
    terminal.error(`${describeCalibration(conclusion.calibration)}\n`);
    show(request, trained, problem, conclusion, terminal.out);
  });
}

/** Runs `dormouse report`: the scores and the report of a run anew, with the calibration it has. */
export async function report(request: AgainRequest, { terminal }: Context): Promise<ExitCode> {
  const trained = await openRun(request.run, request.given);
  return again(trained, async (problem) => {
    const [model, calibration] = [await loadModel(trained), await calibrationOf(trained)];
    const conclusion = await conclude(trained.folder, { ...trained, calibration, problem, model });
    show(request, trained, problem, conclusion, terminal.out);
  });
}

function again({ settings }: TrainedRun, work: (problem: Problem) => Promise<void>): Promise<ExitCode> {
  return onDevice(settings, async () => {
    await work(await readProblem(settings));
    return exitCodes.ok;
  });
}

function show({ json }: AgainRequest, { folder }: TrainedRun, problem: Problem, conclusion: Conclusion, out: (text: string) => void): void {
  if (json) out(`${JSON.stringify(resultsOf(folder, problem, conclusion))}\n`);
  else out(`${scoreTable(scoresByPart(conclusion))}\nreport      ${folder.at("report.html")}\n`);
}
