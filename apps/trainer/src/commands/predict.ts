/** `dormouse predict`: what a trained model says about new rows or images, as CSV. */
import { writeFileSync } from "node:fs";
import { onDevice } from "../device.ts";
import { type ExitCode, exitCodes } from "../failure.ts";
import { predictionsCsv } from "../predictions.ts";
import type { PartialSettings } from "../settings.ts";
import { givenInputs } from "../sources/given.ts";
import { openRun, predictor } from "../trained.ts";
import type { Context } from "./context.ts";

export interface PredictRequest {
  readonly run: string;
  readonly data: string;
  /** File to write to; without it standard output. */
  readonly out: string | undefined;
  readonly given: PartialSettings;
}

/** Runs the command. */
export async function predict({ run, data, out, given }: PredictRequest, { terminal }: Context): Promise<ExitCode> {
  const trained = await openRun(run, given);
  return onDevice(trained.settings, async () => {
    const { task } = trained.schema;
    const inputs = await givenInputs(data, trained.schema);
    const predict = await predictor(trained);
    const csv = await predictionsCsv(task, await predict(inputs), { costs: trained.settings.calibration.costs });
    if (out === undefined) terminal.out(csv);
    else {
      writeFileSync(out, csv);
      terminal.error(`${inputs.length} predictions in ${out}\n`);
    }
    return exitCodes.ok;
  });
}
