/** `dormouse predict`: what a trained model says about new rows or images, as CSV or as lines of JSON. */
import { writeFileSync } from "node:fs";
import { onDevice } from "../device.ts";
import { type ExitCode, exitCodes } from "../failure.ts";
import { predictionsCsv, predictionsJsonLines } from "../predictions.ts";
import type { PartialSettings } from "../settings.ts";
import { givenInputs } from "../sources/given.ts";
import { openRun, predictor } from "../trained.ts";
import type { Context } from "./context.ts";

export interface PredictRequest {
  readonly run: string;
  readonly data: string;
  /** File to write to, lines of JSON if it is named so; without it CSV goes to standard output. */
  readonly out: string | undefined;
  readonly given: PartialSettings;
}

/** Runs the command. */
export async function predict({ run, data, out, given }: PredictRequest, { terminal }: Context): Promise<ExitCode> {
  const trained = await openRun(run, given);
  return onDevice(trained.settings, async () => {
    const { task } = trained.schema;
    const { examples, files } = await givenInputs(data, trained.schema);
    const predict = await predictor(trained);
    const written = out !== undefined && /\.(jsonl|ndjson)$/i.test(out) ? predictionsJsonLines : predictionsCsv;
    const text = await written(task, await predict(examples), { files, costs: trained.settings.calibration.costs });
    if (out === undefined) terminal.out(text);
    else {
      writeFileSync(out, text);
      terminal.error(`${examples.length} ${examples.length === 1 ? "prediction" : "predictions"} in ${out}\n`);
    }
    return exitCodes.ok;
  });
}
