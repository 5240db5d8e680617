/** `dormouse lr-find`: at which learning rates a model learns, before it is trained. */
import { writeFileSync } from "node:fs";
import { ValueError } from "@dormouse/tensor";
import { type RateCurve, findLearningRate } from "@dormouse/train";
import { onAccelerator, onDevice } from "../device.ts";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { isSolved } from "../learning.ts";
import { buildModel, forward } from "../models.ts";
import { brailleChart } from "../progress.ts";
import { type PartialSettings, resolveSettings } from "../settings.ts";
import { readProblem, sourceOf } from "../sources/source.ts";
import { objectiveOf } from "../tasks.ts";
import { optimizerOf, requirePrecision } from "../training.ts";
import type { Context } from "./context.ts";

export interface RateRequest {
  readonly source: string | undefined;
  readonly given: PartialSettings;
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  /** A CSV file for the curve. */
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Runs the command. */
export async function findRate(request: RateRequest, { terminal }: Context): Promise<ExitCode> {
  const { source, given, from, to, steps, out, json } = request;
  const data = sourceOf(source, given);
  const settings = resolveSettings(data.source!, given, { data });
  return onDevice(settings, async (device) => {
    const { schema, parts } = await readProblem(settings);
    if (isSolved(settings.model.kind, schema.task)) {
      throw new Failure("usage", `--model ${settings.model.kind}: is found without a learning rate`);
    }
    requirePrecision(settings, schema.task, device);
    const training = { ...settings.training, schedule: "constant" } as const;
    const options = {
      data: parts.train, loss: objectiveOf(schema.task).loss, optimizer: optimizerOf(training, 1), batch: training.batch,
      seed: settings.seed, forward, from, to, steps, precision: training.precision,
    };
    const search = onAccelerator(buildModel(settings, schema), (model) => findLearningRate(model, options));
    const curve = await search.catch((error: unknown) => {
      // Options out of range, or a loss that is not finite from the beginning.
      throw error instanceof ValueError ? new Failure("usage", error.message) : error;
    });
    if (out !== undefined) writeFileSync(out, curveCsv(curve));
    if (json) terminal.out(`${JSON.stringify(curve)}\n`);
    else terminal.out(described(curve, terminal.columns ?? 80));
    return exitCodes.ok;
  });
}

function described({ rates, smoothed, suggestion, lowest, diverged }: RateCurve, columns: number): string {
  const chart = brailleChart(smoothed, { width: Math.min(60, columns - 14), height: 8 });
  const ending = diverged ? ", where it grew out of bounds" : "";
  const scale = `loss (smoothed) at rates from ${exponential(rates[0]!)} to ${exponential(rates.at(-1)!)}${ending}`;
  const found = suggestion === null
    ? "the loss never falls: try another range, or look at the data\n"
    : `suggestion  ${exponential(suggestion)}, where the loss falls fastest\n` +
      `lowest      ${exponential(lowest)}, beyond which training is about to fail\n`;
  return `${[...chart, scale].join("\n")}\n\n${found}`;
}

const exponential = (rate: number): string => rate.toExponential(1);

const curveCsv = ({ rates, losses, smoothed }: RateCurve): string =>
  `rate,loss,smoothed\n${rates.map((rate, i) => `${rate},${losses[i]!},${smoothed[i]!}\n`).join("")}`;
