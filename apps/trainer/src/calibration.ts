/**
 * How far to trust a model: what the calibration part of the data says about it, the file `calibration.json`, and
 * predictions with it applied. Maps of probabilities and conformal prediction are those of `@dormouse/metrics`; this
 * file chooses among them, and keeps their parameters.
 */
import { readFile } from "node:fs/promises";
import {
  type BinaryMap, betaCalibration, betaCalibrationOf, conformalRegression, conformalRegressionOf, isotonicRegression, isotonicRegressionOf,
  oneVsRest, oneVsRestOf, plattScaling, plattScalingOf, splitConformal, splitConformalOf, temperatureScaling,
  temperatureScalingOf,
} from "@dormouse/metrics";
import { type Tensor, ValueError, concat, key, reshape, select, softmax, sub, tensor, zeros } from "@dormouse/tensor";
import { z } from "zod";
import { Failure } from "./failure.ts";
import { type Predictions, likeliest } from "./predictions.ts";
import type { Task } from "./schema.ts";
import type { Settings } from "./settings.ts";

const threshold = z.number().nullable();
const numbers = z.array(z.number());
const calibrationFile = z.object({
  format: z.literal("dormouse-calibration/1"),
  /** How many examples it was fitted on. */
  examples: z.int().min(0),
  /** The command that it was made with, if not with the model. */
  command: z.string().optional(),
  map: z.discriminatedUnion("method", [
    z.object({ method: z.literal("none"), reason: z.string() }),
    z.object({ method: z.literal("temperature"), temperature: z.number() }),
    z.object({ method: z.literal("platt"), slope: z.number(), offset: z.number() }),
    /** One map for two classes, of the second; else one for each class. */
    z.object({ method: z.literal("beta"), maps: z.array(z.object({ a: z.number(), b: z.number(), c: z.number() })) }),
    z.object({ method: z.literal("isotonic"), maps: z.array(z.object({ thresholds: numbers, values: numbers })) }),
  ]),
  /** A threshold is null where there are too few examples for its alpha: sets hold everything. */
  conformal: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("sets"), score: z.enum(["lac", "aps", "raps"]), alpha: z.number(), threshold, seed: z.int() }),
    /** The threshold is half the width of an interval, in the unit of the target. */
    z.object({ kind: z.literal("intervals"), alpha: z.number(), threshold }),
  ]).nullable(),
});

/** What `calibration.json` holds. */
export type Calibration = z.infer<typeof calibrationFile>;
type ProbabilityMap = Calibration["map"];

/** Predictions as a person gets them: with calibrated probabilities, and with a set or an interval for each. */
export interface Calibrated extends Predictions {
  /** As the model gives them. */
  readonly raw: Predictions;
  /** bool [n, classes]: the classes of the conformal set of each example. */
  readonly sets: Tensor | null;
  /** Ends of the conformal interval of each example, in the unit of the target. */
  readonly interval: { readonly lower: Float64Array; readonly upper: Float64Array } | null;
}

/** Refuses settings that do not fit the task, before anything is trained. */
export function checkCalibration(task: Task, { method, costs }: Settings["calibration"]): void {
  if (task.kind === "regression") {
    if (method !== "auto" && method !== "none") throw new Failure("usage", `--calibration ${method}: is for classes; ${task.name} is a number`);
    if (costs !== null) throw new Failure("usage", `--costs: are for classes; ${task.name} is a number`);
    return;
  }
  if (task.kind === "multiclass" && method === "platt") {
    throw new Failure("usage", "--calibration platt: is for two classes; use temperature, beta or isotonic");
  }
  const wrong = costs?.find((row) => row.length !== task.classes.length);
  if (wrong) {
    throw new Failure("usage", `--costs: a row has ${wrong.length} costs for ${task.classes.length} classes (${task.classes.join(", ")})`);
  }
}

/** Learns from predictions for the calibration part and its targets: class numbers, or standardized values. */
export async function fitCalibration(
  task: Task,
  { calibration: { method, alpha, conformal: score }, seed }: Pick<Settings, "calibration" | "seed">,
  predictions: Predictions,
  targets: ArrayLike<number>,
): Promise<Calibration> {
  const common = { format: "dormouse-calibration/1", examples: targets.length } as const;
  if (targets.length === 0) return { ...common, map: none("there are no calibration examples"), conformal: null };
  if (task.kind === "regression") {
    const truth = Float64Array.from(targets, (value) => value * task.deviation + task.mean);
    const { threshold } = await conformalRegression(column(predictions.values), column(truth), { alpha });
    return { ...common, map: none("values need none"), conformal: { kind: "intervals", alpha, threshold: finite(threshold) } };
  }
  const labels = tensor(Array.from(targets), { dtype: "int32" });
  // Of the probabilities as they come from the model: mended ones have seen these labels, and the promise would be lost.
  const { threshold } = await splitConformal(predictions.probabilities!, labels, { alpha, score, ...drawsOf(score, seed) });
  return {
    ...common,
    map: await fitMap(task, method, predictions, labels),
    conformal: { kind: "sets", score, alpha, threshold: finite(threshold), seed },
  };
}

const none = (reason: string): ProbabilityMap => ({ method: "none", reason });
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
const column = (values: ArrayLike<number>): Tensor => tensor(Float64Array.from(values), { dtype: "float64" });

/** Scores that add up probabilities need random numbers: without, every class that comes last has the score 1. */
const drawsOf = (score: "lac" | "aps" | "raps", seed: number) => (score === "lac" ? {} : { key: key(seed) });

/** A map that cannot be fitted is none, with the reason. */
async function fitMap(task: Task, method: Settings["calibration"]["method"], predictions: Predictions, labels: Tensor): Promise<ProbabilityMap> {
  const binary = task.kind === "binary";
  const chosen = method === "auto" ? (binary ? "platt" : "temperature") : method;
  const { outputs, probabilities } = predictions;
  const second = (): Tensor => select(probabilities!, 1, { axis: 1 });
  try {
    switch (chosen) {
      case "none":
        return none("as asked");
      case "temperature":
        return { method: chosen, temperature: (await temperatureScaling(binary ? logitPair(outputs) : outputs, labels)).temperature };
      case "platt": {
        // Smoothed targets have a best curve also where the model is right every time.
        const { slope, offset } = await plattScaling(flat(outputs), labels, { smoothTargets: true });
        return { method: chosen, slope, offset };
      }
      case "beta": {
        const maps = binary ? [await betaCalibration(second(), labels)] : (await oneVsRest(probabilities!, labels, betaCalibration)).maps;
        return { method: chosen, maps: maps.map(({ a, b, c }) => ({ a, b, c })) };
      }
      case "isotonic": {
        const maps = binary ? [await isotonicRegression(second(), labels)] : (await oneVsRest(probabilities!, labels, isotonicRegression)).maps;
        return { method: chosen, maps: maps.map(({ thresholds, values }) => ({ thresholds: Array.from(thresholds), values: Array.from(values) })) };
      }
    }
  } catch (error) {
    if (error instanceof ValueError) return none(error.message);
    throw error;
  }
}

const flat = (logits: Tensor): Tensor => reshape(logits, [logits.shape[0]!]);

/** Logits of both classes: 0 for the first. */
const logitPair = (logits: Tensor): Tensor => concat([zeros(logits.shape, { dtype: logits.dtype }), logits], { axis: 1 });

/** Predictions with a calibration applied; without one as they are. */
export async function calibrated(task: Task, raw: Predictions, calibration: Calibration | null): Promise<Calibrated> {
  const conformal = calibration?.conformal ?? null;
  if (task.kind === "regression") {
    if (conformal?.kind !== "intervals") return { ...raw, raw, sets: null, interval: null };
    const { lower, upper } = conformalRegressionOf({ threshold: conformal.threshold ?? Infinity }).interval(column(raw.values));
    return { ...raw, raw, sets: null, interval: { lower: (await lower.data()) as Float64Array, upper: (await upper.data()) as Float64Array } };
  }
  const mapped = await applyMap(task, raw, calibration?.map ?? none(""));
  const { score, seed, threshold } = conformal?.kind === "sets" ? conformal : {};
  const sets = score === undefined
    ? null
    : splitConformalOf({ threshold: threshold ?? Infinity, score, ...drawsOf(score, seed!) }).sets(raw.probabilities!);
  return { ...mapped, raw, sets, interval: null };
}

async function applyMap(task: Task & { readonly classes: readonly string[] }, raw: Predictions, map: ProbabilityMap): Promise<Predictions> {
  if (map.method === "none") return raw;
  const probabilities = mappedProbabilities(task.kind === "binary", raw, map);
  const rows = (await probabilities.data()) as Float64Array;
  return { outputs: raw.outputs, probabilities, values: likeliest(rows, task.classes.length) };
}

function mappedProbabilities(binary: boolean, { outputs, probabilities }: Predictions, map: Exclude<ProbabilityMap, { method: "none" }>): Tensor {
  switch (map.method) {
    case "temperature":
      return softmax(temperatureScalingOf(map).transform(binary ? logitPair(outputs) : outputs), { axis: -1 });
    case "platt":
      return both(plattScalingOf(map).transform(flat(outputs)));
    case "beta":
    case "isotonic": {
      const maps: BinaryMap[] = map.method === "beta" ? map.maps.map(betaCalibrationOf) : map.maps.map(cornersOf);
      return binary ? both(maps[0]!.transform(select(probabilities!, 1, { axis: 1 }))) : oneVsRestOf(maps).transform(probabilities!);
    }
  }
}

const cornersOf = ({ thresholds, values }: { readonly thresholds: readonly number[]; readonly values: readonly number[] }) =>
  isotonicRegressionOf({ thresholds: Float64Array.from(thresholds), values: Float64Array.from(values) });

function both(second: Tensor): Tensor {
  const yes = reshape(second, [second.shape[0]!, 1]);
  return concat([sub(1, yes), yes], { axis: 1 });
}

/** One line for a person: what was done, and how much. */
export function describeCalibration({ map, conformal, examples }: Calibration): string {
  if (conformal === null) return describeMap(map);
  const few = conformal.threshold === null ? ", which hold everything, as examples are too few," : "";
  const mended = conformal.kind === "intervals" ? "" : `${describeMap(map)}; `;
  return `${mended}${conformal.kind} for ${round(100 * (1 - conformal.alpha))} %${few} from ${examples} examples`;
}

function describeMap(map: ProbabilityMap): string {
  switch (map.method) {
    case "none":
      return `probabilities as they are (${map.reason})`;
    case "temperature":
      return `temperature ${round(map.temperature)}`;
    case "platt":
      return `platt with slope ${round(map.slope)} and offset ${round(map.offset)}`;
    case "beta":
    case "isotonic":
      return `${map.method}, ${map.maps.length === 1 ? "one curve" : `${map.maps.length} curves`}`;
  }
}

const round = (value: number): string => String(Number(value.toPrecision(4)));

/** Reads a `calibration.json`. */
export async function readCalibration(path: string): Promise<Calibration> {
  try {
    return calibrationFile.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    throw new Failure("usage", `${path} is not the calibration of a run: ${(error as Error).message.split("\n")[0]}; make it again with dormouse calibrate`);
  }
}
