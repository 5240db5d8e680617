/**
 * How the network of a run is trained: the optimizer that the settings name, what is saved and written down on the way,
 * and how it ends when it does not end well. Learning itself is in `learning.ts`.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { type Optimizer, adam, adamW, chain, clipByGlobalNorm, cosineDecay, sgd, weightEma } from "@dormouse/optim";
import { ValueError } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type Callback, DivergedError, type EpochReport, type Run, checkpoint, earlyStopping, reduceRate } from "@dormouse/train";
import type { Context } from "./commands/context.ts";
import { EventFile } from "./events.ts";
import { Failure } from "./failure.ts";
import { isSolved, trainNetwork } from "./learning.ts";
import { type Network, forward } from "./models.ts";
import { epochLog, progress } from "./progress.ts";
import type { RunFolder } from "./runFolder.ts";
import type { Task } from "./schema.ts";
import { type Settings, settingPaths, valueAt } from "./settings.ts";
import { type Problem, partNames } from "./sources/source.ts";
import { objectiveOf } from "./tasks.ts";

/** What may change when a run goes on: how long it goes on, and on what. */
export const changeable = [
  "training.epochs", "training.patience", "training.maxSeconds", "training.saveEvery", "device", "threads",
];

/** Trains until the settings, the person or the numbers end it. */
export async function learn(
  settings: Settings, problem: Problem, model: Network, folder: RunFolder, context: Context,
): Promise<Run<Network>> {
  const { parts, schema } = problem;
  const { epochs, batch, patience, schedule, plateauPatience, plateauFactor, ema, maxSeconds, saveEvery, precision } = settings.training;
  const stepsPerEpoch = Math.ceil(parts.train.length / batch);
  const callbacks: Callback<Network>[] = [
    checkpoint<Network>(folder.checkpoints, {
      resume: true, restoreBest: true, every: saveEvery, identity: identityOf(settings, problem),
    }),
    ...(schedule === "plateau" ? [reduceRate<Network>({ factor: plateauFactor, patience: plateauPatience })] : []),
    ...(patience === null ? [] : [earlyStopping<Network>({ patience, restoreBest: false })]),
    metricsFiles(folder),
    eventsOf(folder, stepsPerEpoch),
    progress(context.terminal),
    epochLog((line) => folder.log(line)),
  ];
  try {
    return await trainNetwork(model, settings, schema.task, {
      ...objectiveOf(schema.task),
      data: { train: parts.train, validation: parts.validation },
      optimizer: optimizerOf(settings.training, epochs * stepsPerEpoch),
      epochs, batch, seed: settings.seed, forward, callbacks, precision, signal: context.signal,
      ...(ema !== null && { averaging: weightEma({ decay: ema }) }),
      ...(maxSeconds !== null && { maxSeconds }),
    });
  } catch (error) {
    if (error instanceof DivergedError) throw diverged(error, folder);
    if (error instanceof ValueError && error.op === "checkpoint") throw new Failure("usage", error.message);
    throw error;
  }
}

function diverged({ message }: DivergedError, folder: RunFolder): Failure {
  const last = folder.at("checkpoints", "last.safetensors");
  const rest = existsSync(last) ? `the last good checkpoint is ${last}` : "there is no checkpoint before it";
  return new Failure("diverged", `${message}; ${rest}`);
}

/** Refuses mixed precision where the device has no float16, and where no gradient is taken that could be in it. */
export function requirePrecision({ training, model }: Settings, task: Task, { name, backend }: Device): void {
  if (training.precision === "float32") return;
  const refuse = (reason: "usage" | "device", why: string): never => {
    throw new Failure(reason, `--precision ${training.precision}: ${why}`);
  };
  if (isSolved(model.kind, task)) refuse("usage", `--model ${model.kind} is found without gradients, in float64; leave it out`);
  const { dtypes } = backend.capabilities;
  if (!dtypes.has("float16")) refuse("device", `${name} has no float16; leave it out, or name another --device`);
}

/** The end of a command that a signal stopped: what is saved, and how to go on. */
export function interrupted(folder: RunFolder, { signal }: Context): Failure {
  const reason = signal.reason === "SIGTERM" ? "terminated" : "interrupted";
  return new Failure(reason, `${reason}; everything so far is saved, go on with: dormouse train --resume ${folder.path}`);
}

/** The same data, which ends the command where a pass over it is interrupted. */
export function interruptible(problem: Problem, folder: RunFolder, context: Context): Problem {
  const watched = partNames.map((name) => {
    const part = problem.parts[name].map((batch) => {
      if (context.signal.aborted) throw interrupted(folder, context);
      return batch;
    });
    return [name, part] as const;
  });
  return { ...problem, parts: Object.fromEntries(watched) as unknown as Problem["parts"] };
}

/** What a checkpoint must agree with: the settings that cannot change, and what the data means. */
function identityOf(settings: Settings, { schema }: Problem): Readonly<Record<string, string>> {
  const fixed = settingPaths
    .filter((path) => !changeable.includes(path.join(".")))
    .map((path) => [path.join("."), valueAt(settings, path)]);
  const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  return { configuration: hash(fixed), schema: hash(schema), seed: String(settings.seed) };
}

/** The optimizer that the settings name, for a run of so many steps. */
export function optimizerOf(training: Settings["training"], steps: number): Optimizer {
  const { learningRate: rate, schedule, weightDecay, clip } = training;
  const learningRate = schedule === "cosine" ? cosineDecay(rate, steps) : rate;
  // Biases do not decay: pulling them to 0 has no statistical reason.
  const options = { learningRate, weightDecay, decays: (path: string) => !path.endsWith("bias") };
  const makers = { adam: () => adam(options), adamw: () => adamW(options), sgd: () => sgd({ ...options, momentum: 0.9 }) };
  const optimizer = makers[training.optimizer]();
  return clip === null ? optimizer : chain(clipByGlobalNorm(clip), optimizer);
}

/** `metrics.jsonl` and `metrics.csv`, written anew from the history so that a resumed run has each epoch once. */
function metricsFiles(folder: RunFolder): Callback<Network> {
  const write = (history: readonly EpochReport[]): void => {
    if (history.length === 0) return;
    folder.write("metrics.jsonl", history.map((report) => `${JSON.stringify(report)}\n`).join(""));
    folder.write("metrics.csv", metricsCsv(history));
  };
  return { start: ({ history }) => write(history), epoch: (_report, { history }) => write(history) };
}

/** A line per epoch, counted from 1. What is not finite is NaN or Infinity; what there is not is empty. */
export function metricsCsv(history: readonly EpochReport[]): string {
  const [first] = history;
  const columns: [string, (report: EpochReport) => number | null | undefined][] = [
    ["epoch", ({ epoch }) => epoch + 1],
    ["seconds", ({ seconds }) => seconds],
    ["learningRate", ({ learningRate }) => learningRate],
    ["gradientNorm", ({ gradientNorm }) => gradientNorm],
    ...(first?.lossScale === undefined ? [] : ([
      ["lossScale", ({ lossScale }) => lossScale],
      ["skippedSteps", ({ skippedSteps }) => skippedSteps],
    ] as typeof columns)),
    ...(["train", "validation"] as const).flatMap((part) =>
      Object.keys(first?.[part] ?? {}).map((name) => [`${part}.${name}`, (report) => report[part]?.[name]] as (typeof columns)[0]),
    ),
  ];
  const lines = history.map((report) => columns.map(([, read]) => read(report) ?? "").join(","));
  return `${[columns.map(([name]) => name).join(","), ...lines].join("\n")}\n`;
}

/** The folder `tb`: scalars by step, for TensorBoard. */
function eventsOf(folder: RunFolder, stepsPerEpoch: number): Callback<Network> {
  let file: EventFile | null = null;
  const known = (values: Readonly<Record<string, number | null>>): Record<string, number> =>
    Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== null));
  const tagged = (part: string, scores: Readonly<Record<string, number>> | null) =>
    Object.fromEntries(Object.entries(scores ?? {}).map(([name, value]) => [`${name}/${part}`, value]));
  return {
    start({ history, step }) {
      file = new EventFile(folder.at("tb"), history.length * stepsPerEpoch + step);
    },
    step({ epoch, step, scores, learningRate, gradientNorm }) {
      const running = tagged("running", scores);
      file!.scalars(epoch * stepsPerEpoch + step, known({ ...running, learning_rate: learningRate, gradient_norm: gradientNorm }));
    },
    epoch({ epoch, train, validation, learningRate, gradientNorm, lossScale = null }) {
      const sizes = { "gradient_norm/epoch": gradientNorm, loss_scale: lossScale };
      const scores = { ...tagged("train", train), ...tagged("validation", validation), ...sizes };
      file!.scalars((epoch + 1) * stepsPerEpoch, known({ ...scores, learning_rate: learningRate }));
    },
  };
}
