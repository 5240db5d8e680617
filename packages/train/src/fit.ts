/**
 * The loop that everybody writes, written once: batches, one compiled step (forward, loss, gradient, update), a
 * validation pass per epoch, callbacks. Owns the order of things and when values are read; what a loss, an optimizer
 * or a metric is belongs to their packages.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { type Source, loader } from "@dormouse/data";
import {
  type AveragedWeights, type LossScaleOptions, type Optimizer, type State, type WeightAverage, globalNorm, learningRateOf,
  lossScaleOf,
} from "@dormouse/optim";
import { type Key, type Tensor, ValueError, compile, foldIn, isFinite, key, mapTree, treeLeaves, where } from "@dormouse/tensor";
import { firstNotFinite, weightNotFinite } from "./diagnose.ts";
import { DivergedError } from "./errors.ts";
import {
  type Example, type Forward, defaultForward, isPair, outputsOf, release, requireExample, requireScalar,
} from "./forward.ts";
import { breathe } from "./pace.ts";
import { type Arithmetic, type Precision, arithmeticOf } from "./precision.ts";
import {
  type Metrics, type Score, type Scores, type Sums, type Totals, addScores, addStep, emptySums, emptyTotals, readScores, readTotals,
} from "./totals.ts";

/** One epoch, as callbacks and the history see it. */
export interface EpochReport {
  /** 0 for the first. */
  readonly epoch: number;
  readonly train: Scores;
  /** Null where there is no validation data. */
  readonly validation: Scores | null;
  readonly seconds: number;
  /** The rate of the step that comes next; null where the optimizer has none, or several. */
  readonly learningRate: number | null;
  /** The norm of the whole gradient before anything clips it, as a mean over the steps; null where there is none. */
  readonly gradientNorm: number | null;
  /** In mixed precision: the loss scale of the step that comes next, and the steps of this epoch that were left out. */
  readonly lossScale?: number;
  readonly skippedSteps?: number;
}

/** One report within an epoch; a few a second at most. */
export interface StepReport {
  readonly epoch: number;
  /** Batches done in this epoch, of `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly epochs: number;
  /** Means over the epoch so far. */
  readonly scores: Scores;
  readonly examplesPerSecond: number;
  /** What the rest of the run will take at this pace, if all epochs are run and time allows. */
  readonly secondsLeft: number;
  readonly learningRate: number | null;
  /** Of the last step; in mixed precision of the last that was not left out. */
  readonly gradientNorm: number;
}

/** A run while it goes on: everything that is needed to go on with it later. */
export interface Progress<M> {
  readonly model: M;
  readonly state: unknown;
  /** The average of the weights, where one is made: what is validated, and what the run returns. */
  readonly average: AveragedWeights<M> | null;
  readonly history: readonly EpochReport[];
  readonly epochs: number;
  /** Batches done in the epoch after those of the history: 0 unless a run was aborted. */
  readonly step: number;
  /** Sums of the scores over those batches. */
  readonly totals: Totals;
  /** Seconds that those batches took. */
  readonly seconds: number;
}

/** Why a run ended. */
export type StopReason = "finished" | "stopped early" | "out of time" | "aborted";

/** A run that has ended. */
export interface Run<M> extends Progress<M> {
  readonly reason: StopReason;
}

/** `"stop"` ends the run; part of a progress replaces that part. */
export type Change<M> = void | "stop" | Partial<Progress<M>>;

/** What happens around a run. Every hook is optional and may be asynchronous. */
export interface Callback<M = unknown> {
  /** May change where the run starts: resuming from a checkpoint. `"stop"` trains no further. */
  start?(progress: Progress<M>): Change<M> | Promise<Change<M>>;
  step?(report: StepReport, progress: Progress<M>): void | Promise<void>;
  /** May change what the next epoch begins with. `"stop"` ends the run after this epoch. */
  epoch?(report: EpochReport, progress: Progress<M>): Change<M> | Promise<Change<M>>;
  /** May replace the model that the run returns. */
  end?(run: Run<M>): void | M | Promise<void | M>;
}

export interface FitOptions<M> {
  readonly data: { readonly train: Source<Example>; readonly validation?: Source<Example> };
  readonly loss: Score;
  readonly optimizer: Optimizer;
  /** Default 10. */
  readonly epochs?: number;
  /** Examples in a batch. Default 32. */
  readonly batch?: number;
  readonly metrics?: Metrics;
  readonly callbacks?: readonly Callback<M>[];
  /** Decides the order of the examples and every random number of the run. Default 0. */
  readonly seed?: number;
  /** Default: `model.forward(x, context)`. */
  readonly forward?: Forward<M>;
  /** Averages the weights at every step, as `weightEma` or `swa` of `@dormouse/optim`. Default: no average. */
  readonly averaging?: WeightAverage;
  /**
   * "mixed" computes the forward and the backward pass of a step in float16, with a loss scale that adapts; weights,
   * the loss, metrics, the optimizer and validation are float32. Default "float32".
   */
  readonly precision?: Precision;
  /** How the loss scale of mixed precision begins and changes, as `dynamicLossScale` of `@dormouse/optim` takes it. */
  readonly lossScale?: LossScaleOptions;
  /** Ends the run after the step that is going on when so many seconds have been trained; that epoch counts as one. */
  readonly maxSeconds?: number;
  /** Ends the run cleanly after the step that is going on. */
  readonly signal?: AbortSignal;
}

/** Milliseconds between two reports within an epoch. */
const REPORT_INTERVAL = 200;

/**
 * Trains a model: `run.model` is the trained one, `run.history` the scores of every epoch. The model given is spent:
 * its memory goes to its successors.
 *
 * From the first step on whose loss or gradient is not finite the weights stay as they are, and `DivergedError` names
 * the tensor and the step. In mixed precision a gradient that is too large for float16 is not the end: its step is left
 * out and the loss scale falls, as long as it can. Throws `ValueError` for options out of range and for an empty dataset,
 * `DeviceError` for mixed precision on a device without float16.
 *
 * @example
 * const run = await fit(model, { data: { train }, loss: crossEntropy, optimizer: adam(), epochs: 3 });
 */
export async function fit<M extends object>(model: M, options: FitOptions<M>): Promise<Run<M>> {
  const { data, epochs = 10, batch = 32, callbacks = [], seed = 0, maxSeconds = Infinity, signal } = options;
  requireRange("epochs", epochs, Number.isInteger(epochs) && epochs >= 0, "a whole number from 0");
  requireRange("maxSeconds", maxSeconds, maxSeconds > 0, "a number above 0");
  if (treeLeaves(model).length === 0) {
    throw new ValueError("fit", "the model holds no tensors", { hint: "keep parameters in own properties of the model" });
  }
  const batches = loader(data.train, { batch, shuffle: seed });
  const forward = options.forward ?? defaultForward<M>;
  const arithmetic = arithmeticOf("fit", options.precision ?? "float32", options.optimizer, options.lossScale);
  const isMixed = arithmetic.precision === "mixed";
  const step = trainingStep(forward, options, arithmetic);
  const score = scoring(forward, options, batch);
  const isHealthy = compile((m: M) => isFinite(globalNorm(m)), { name: "weights" });

  const nothing = (): Totals => emptyTotals(options.metrics, arithmetic.precision);
  let current: Progress<M> = {
    model, state: arithmetic.optimizer.init(model), average: options.averaging?.init(model) ?? null,
    history: [], epochs, step: 0, totals: nothing(), seconds: 0,
  };
  let reason: StopReason = "finished";
  const change = (by: Change<M>): void => {
    if (by === "stop") reason = "stopped early";
    else if (by) current = { ...current, ...by };
  };
  for (const callback of callbacks) change(await callback.start?.(current));
  /** Of the epochs that are finished: what callbacks take between epochs is not trained. */
  const trainedSeconds = (): number => current.history.reduce((sum, { seconds }) => sum + seconds, 0);
  if (trainedSeconds() >= maxSeconds) reason = "out of time";

  for (let epoch = current.history.length; epoch < epochs && reason === "finished"; epoch++) {
    const started = performance.now() - current.seconds * 1000;
    const entered = performance.now();
    const before = trainedSeconds();
    let reported = entered;
    const first = current.step;
    const runKey = key(seed);
    const epochKey = foldIn(runKey, epoch);
    /** The totals so far; throws where they are not finite. */
    const read = async () => {
      const totals = await readTotals(current.totals);
      if (totals.bad < 0) return totals;
      const [example] = batches.epoch(epoch, totals.bad);
      const scale = isMixed ? await lossScaleOf(current.state as State).item() : null;
      const tensor = await firstNotFinite(current.model, example!, foldIn(epochKey, totals.bad), forward, options.loss, scale);
      throw new DivergedError(totals.bad, epoch, tensor, totals.scores["loss"]!);
    };
    for (const example of batches.epoch(epoch, first)) {
      requireExample(example);
      const { x, y } = example;
      const [next, state, totals, average] = step(current.model, current.state, current.totals, current.average, x, y, epochKey);
      release(x, y);
      const now = performance.now();
      current = { ...current, model: next, state, totals, average, step: current.step + 1, seconds: (now - started) / 1000 };
      if (before + current.seconds >= maxSeconds) reason = "out of time";
      if (signal?.aborted || reason !== "finished") break;
      await breathe();
      if (performance.now() - reported < REPORT_INTERVAL) continue;
      const { scores, norm } = await read();
      reported = performance.now();
      const stepsPerSecond = ((current.step - first) * 1000) / (reported - entered);
      const report: StepReport = {
        epoch,
        step: current.step,
        steps: batches.length,
        epochs,
        scores,
        examplesPerSecond: stepsPerSecond * batch,
        secondsLeft: ((epochs - epoch) * batches.length - current.step) / stepsPerSecond,
        learningRate: await rateOf(current.state),
        gradientNorm: norm,
      };
      for (const callback of callbacks) await callback.step?.(report, current);
    }
    const { scores: train, meanNorm, skipped } = await read();
    release(epochKey, runKey);
    if (!(await isHealthy(current.model).item())) {
      const weight = await weightNotFinite(current.model);
      if (weight !== null) throw new DivergedError(current.step - 1, epoch, `after its update ${weight}`, train["loss"]!);
    }
    // An interrupted pass over the validation data is made again when the run goes on, after no further step.
    const validation = data.validation ? await score(current.average?.value ?? current.model, data.validation, signal) : null;
    if (signal?.aborted) {
      reason = "aborted";
      break;
    }
    release(...treeLeaves(current.totals));
    const report: EpochReport = {
      epoch, train, validation, seconds: (performance.now() - started) / 1000,
      learningRate: await rateOf(current.state), gradientNorm: meanNorm,
      ...(isMixed && { lossScale: await lossScaleOf(current.state as State).item(), skippedSteps: skipped }),
    };
    current = { ...current, history: [...current.history, report], step: 0, totals: nothing(), seconds: 0 };
    for (const callback of callbacks) change(await callback.epoch?.(report, current));
  }
  const run: Run<M> = { ...current, reason };
  let trained = run.average?.value ?? run.model;
  for (const callback of callbacks) trained = (await callback.end?.(run)) || trained;
  return { ...run, model: trained };
}

/** The rate of the next step; null where an optimizer has none, or groups have their own. */
async function rateOf(state: unknown): Promise<number | null> {
  try {
    return await learningRateOf(state as State).item();
  } catch (error) {
    if (error instanceof ValueError) return null;
    throw error;
  }
}

function requireRange(name: string, value: number, holds: boolean, words: string): void {
  if (!holds) throw new ValueError("fit", `${name} ${value} is not ${words}`, { received: value, hint: `give ${words}` });
}

/**
 * The scores of a model on a dataset, without training it: `loss` and every metric, averaged over the examples.
 *
 * @example
 * const { accuracy } = await evaluateModel(model, test, { loss: crossEntropy, metrics: { accuracy } });
 */
export async function evaluateModel<M extends object>(
  model: M,
  source: Source<Example>,
  options: Pick<FitOptions<M>, "loss" | "metrics" | "forward" | "batch">,
): Promise<Scores> {
  return scoring(options.forward ?? defaultForward<M>, options, options.batch ?? 256)(model, source);
}

/** The outputs of a model for every example of a dataset, on the host: rows in order, `size` numbers each. */
export async function predict<M extends object>(
  model: M,
  source: Source<{ readonly x: Tensor }>,
  options: { readonly forward?: Forward<M>; readonly batch?: number } = {},
): Promise<{ readonly data: Float64Array; readonly shape: readonly number[] }> {
  const forward = options.forward ?? defaultForward<M>;
  const outputs = compile((model: M, x: Tensor) => outputsOf(forward(model, x, {})), { name: "predict" });
  const parts: ArrayLike<number>[] = [];
  let shape: readonly number[] = [];
  for (const { x } of loader(source, { batch: options.batch ?? 256 })) {
    const y = outputs(model, x);
    parts.push(await y.data());
    shape = [source.length, ...y.shape.slice(1)];
    release(x, y);
    await breathe();
  }
  const data = new Float64Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, shape };
}

/**
 * Forward, loss, gradient, update and scores of one batch as one program. A step that is not finite changes nothing,
 * nor does any after it. That, and the norm of the gradient, cost 3 µs of a step of 20 µs (10-64-10, batches of 32), and
 * less than timing can tell of steps of 3 ms (784-256-128-10) and 17 ms (a CNN).
 */
function trainingStep<M extends object>(
  forward: Forward<M>, { loss, averaging, metrics = {} }: FitOptions<M>, { optimizer, inStep, hasRoom }: Arithmetic,
) {
  return compile(
    (model: M, state: unknown, totals: Totals, average: AveragedWeights<M> | null, x: Tensor, y: Tensor, epochKey: Key) => {
      const through = inStep(forward, foldIn(epochKey, totals.steps), state);
      const lossOf = (m: M) => {
        const result = through(m, x);
        const outputs = outputsOf(result);
        const objective = loss(outputs, y);
        requireScalar(objective);
        return [objective, { outputs, next: isPair(result) ? result[1] : m }] as const;
      };
      const [value, gradient, { outputs, next }] = valueAndGrad(lossOf, { hasAux: true })(model);
      const [updated, nextState] = optimizer.update(gradient, state as never, next);
      const scores = { loss: value, ...scoresOf(metrics, outputs, y) };
      const [sums, healthy] = addStep(totals, scores, globalNorm(gradient), x.shape[0]!, hasRoom(state, nextState));
      const unless = <T>(after: T, before: T): T => mapTree((a, b) => where(healthy, a, b!), after, before);
      const kept = unless(updated, model);
      const nextAverage = averaging && average ? averaging.update(average, kept) : null;
      return [kept, unless<unknown>(nextState, state), sums, nextAverage] as const;
    },
    { donate: [0, 1, 2, 3], name: "fit" },
  );
}

const scoresOf = (metrics: Metrics, outputs: Tensor, targets: Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(outputs, targets)]));

/** A pass over a dataset without training; what it returns means nothing where the signal ended it. */
function scoring<M extends object>(
  forward: Forward<M>,
  { loss, metrics = {} }: Pick<FitOptions<M>, "loss" | "metrics">,
  batch: number,
): (model: M, source: Source<Example>, signal?: AbortSignal) => Promise<Scores> {
  const step = compile(
    (totals: Sums, model: M, x: Tensor, y: Tensor) => {
      const outputs = outputsOf(forward(model, x, {}));
      return addScores(totals, { loss: loss(outputs, y), ...scoresOf(metrics, outputs, y) }, x.shape[0]!);
    },
    { donate: [0], name: "evaluate" },
  );
  return async (model, source, signal) => {
    let totals = emptySums(metrics);
    for (const example of loader(source, { batch })) {
      if (signal?.aborted) break;
      requireExample(example);
      const { x, y } = example;
      totals = step(totals, model, x, y);
      release(x, y);
      await breathe();
    }
    const scores = await readScores(totals);
    release(...treeLeaves(totals));
    return scores;
  };
}
