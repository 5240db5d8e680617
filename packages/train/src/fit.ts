/**
 * The loop that everybody writes, written once: batches, one compiled step (forward, loss, gradient, update), a
 * validation pass per epoch, callbacks. Owns the order of things and when values are read; what a loss, an optimizer
 * or a metric is belongs to their packages.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { type Source, loader } from "@dormouse/data";
import type { Optimizer } from "@dormouse/optim";
import {
  type Key, ShapeError, type Tensor, ValueError, add, cast, compile, foldIn, isFinite, key, less, logicalAnd, logicalNot, mul,
  tensor, treeLeaves, where,
} from "@dormouse/tensor";
import { DivergedError } from "./errors.ts";
import { breathe } from "./pace.ts";

/** What a dataset gives: inputs `x` and targets `y`. */
export interface Example {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** A scalar of outputs and targets: a loss, or a metric that is a mean over the examples of a batch. */
export type Score = (outputs: Tensor, targets: Tensor) => Tensor;

/** A random key while training, nothing while evaluating: what `Dropout` and `BatchNorm` ask for. */
export interface ForwardContext {
  readonly key?: Key;
}

/**
 * Computes a model's outputs. In training it may return `[outputs, next]`, where `next` is the model with new running
 * statistics.
 */
export type Forward<M> = (model: M, x: Tensor, context: ForwardContext) => Tensor | readonly [Tensor, M];

/** The scores of one pass over the data: `loss` and every metric by name. */
export type Scores = Readonly<Record<string, number>>;

/** One epoch, as callbacks and the history see it. */
export interface EpochReport {
  /** 0 for the first. */
  readonly epoch: number;
  readonly train: Scores;
  /** Null where there is no validation data. */
  readonly validation: Scores | null;
  readonly seconds: number;
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
  /** What the rest of the run will take at this pace, if all epochs are run. */
  readonly secondsLeft: number;
}

/** A run while it goes on: everything that is needed to go on with it later. */
export interface Progress<M> {
  readonly model: M;
  readonly state: unknown;
  readonly history: readonly EpochReport[];
  readonly epochs: number;
  /** Batches done in the epoch after those of the history: 0 unless a run was aborted. */
  readonly step: number;
  /** Sums of the scores over those batches. */
  readonly totals: Totals;
}

/** Why a run ended. */
export type StopReason = "finished" | "stopped early" | "aborted";

/** A run that has ended. */
export interface Run<M> extends Progress<M> {
  readonly reason: StopReason;
}

/** What happens around a run. Every hook is optional and may be asynchronous. */
export interface Callback<M = unknown> {
  /** May change where the run starts: resuming from a checkpoint. */
  start?(progress: Progress<M>): void | Partial<Progress<M>> | Promise<void | Partial<Progress<M>>>;
  step?(report: StepReport): void | Promise<void>;
  /** `"stop"` ends the run after this epoch. */
  epoch?(report: EpochReport, progress: Progress<M>): void | "stop" | Promise<void | "stop">;
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
  readonly metrics?: Readonly<Record<string, Score>>;
  readonly callbacks?: readonly Callback<M>[];
  /** Decides the order of the examples and every random number of the run. Default 0. */
  readonly seed?: number;
  /** Default: `model.forward(x, context)`. */
  readonly forward?: Forward<M>;
  /** Ends the run cleanly after the step that is going on. */
  readonly signal?: AbortSignal;
}

interface WithForward {
  forward(x: Tensor, context?: ForwardContext): Tensor | readonly [Tensor, unknown];
}

/** Milliseconds between two reports within an epoch. */
const REPORT_INTERVAL = 200;

/**
 * Trains a model: `run.model` is the trained one, `run.history` the scores of every epoch. The model given is spent:
 * its memory goes to its successors.
 *
 * Throws `DivergedError` at the first step whose loss is not finite, `ValueError` for options out of range and for an
 * empty dataset.
 *
 * @example
 * const run = await fit(model, { data: { train }, loss: crossEntropy, optimizer: adam(), epochs: 3 });
 */
export async function fit<M extends object>(model: M, options: FitOptions<M>): Promise<Run<M>> {
  const { data, epochs = 10, batch = 32, callbacks = [], seed = 0, signal } = options;
  if (!Number.isInteger(epochs) || epochs < 0) {
    throw new ValueError("fit", `epochs ${epochs} is not a whole number from 0`, { received: epochs, hint: "give a whole number" });
  }
  if (treeLeaves(model).length === 0) {
    throw new ValueError("fit", "the model holds no tensors", { hint: "keep parameters in own properties of the model" });
  }
  const batches = loader(data.train, { batch, shuffle: seed });
  const forward = options.forward ?? defaultForward<M>;
  const step = trainingStep(forward, options);
  const score = scoring(forward, options, batch);

  const nothing = (): Totals => emptyTotals(options.metrics);
  let current: Progress<M> = { model, state: options.optimizer.init(model), history: [], epochs, step: 0, totals: nothing() };
  for (const callback of callbacks) current = { ...current, ...(await callback.start?.(current)) };
  let reason: StopReason = "finished";
  for (let epoch = current.history.length; epoch < epochs && reason === "finished"; epoch++) {
    const started = performance.now();
    let reported = started;
    const first = current.step;
    const runKey = key(seed);
    const epochKey = foldIn(runKey, epoch);
    for (const example of batches.epoch(epoch, first)) {
      requireExample(example);
      const { x, y } = example;
      const [next, state, totals] = step(current.model, current.state, current.totals, x, y, epochKey);
      release(x, y);
      current = { ...current, model: next, state, totals, step: current.step + 1 };
      if (signal?.aborted) break;
      await breathe();
      if (performance.now() - reported < REPORT_INTERVAL) continue;
      const scores = await readTotals(current.totals, epoch);
      reported = performance.now();
      const stepsPerSecond = ((current.step - first) * 1000) / (reported - started);
      const report: StepReport = {
        epoch,
        step: current.step,
        steps: batches.length,
        epochs,
        scores,
        examplesPerSecond: stepsPerSecond * batch,
        secondsLeft: ((epochs - epoch) * batches.length - current.step) / stepsPerSecond,
      };
      for (const callback of callbacks) await callback.step?.(report);
    }
    release(epochKey, runKey);
    const train = await readTotals(current.totals, epoch);
    if (signal?.aborted) {
      reason = "aborted";
      break;
    }
    release(...treeLeaves(current.totals));
    const validation = data.validation ? await score(current.model, data.validation) : null;
    const report: EpochReport = { epoch, train, validation, seconds: (performance.now() - started) / 1000 };
    current = { ...current, history: [...current.history, report], step: 0, totals: nothing() };
    for (const callback of callbacks) {
      if ((await callback.epoch?.(report, current)) === "stop") reason = "stopped early";
    }
  }
  let run: Run<M> = { ...current, reason };
  for (const callback of callbacks) {
    const replaced = await callback.end?.(run);
    if (replaced) run = { ...run, model: replaced };
  }
  return run;
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

/** What a model does where no other forward pass is given. */
export function defaultForward<M>(model: M, x: Tensor, context: ForwardContext): Tensor | readonly [Tensor, M] {
  const { forward } = model as unknown as Partial<WithForward>;
  if (typeof forward !== "function") {
    throw new ValueError("fit", "the model has no method forward", {
      expected: "model.forward(x, context)",
      received: Object.keys(model as object),
      hint: "add one, or pass { forward: (model, x) => … }",
    });
  }
  return forward.call(model as unknown as WithForward, x, context) as Tensor | readonly [Tensor, M];
}

/** Refuses batches without inputs or targets. */
export function requireExample(batch: Partial<Example>, op = "fit"): void {
  const missing = (["x", "y"] as const).find((name) => batch[name] === undefined);
  if (missing === undefined) return;
  throw new ValueError(op, `the dataset has the fields ${Object.keys(batch).join(", ")} and no ${missing}`, {
    expected: ["x", "y"],
    received: Object.keys(batch),
    hint: "name the inputs x and the targets y",
  });
}

/** Refuses a loss that has an element for every example. */
export function requireScalar(value: Tensor, op = "fit"): void {
  if (value.rank === 0) return;
  throw new ShapeError(op, `the loss has shape [${value.shape.join(", ")}]`, {
    expected: [],
    received: value.shape,
    hint: "reduce it to a scalar with mean or sum",
  });
}

export const outputsOf = <M>(result: Tensor | readonly [Tensor, M]): Tensor => (isPair(result) ? result[0] : result);
export const isPair = <M>(result: Tensor | readonly [Tensor, M]): result is readonly [Tensor, M] => Array.isArray(result);

/** Sums over the examples so far, kept on the device so that a step reads nothing back. */
export interface Totals {
  readonly sums: Readonly<Record<string, Tensor>>;
  readonly examples: Tensor;
  readonly steps: Tensor;
  /** The first step whose loss was not finite, or −1. */
  readonly bad: Tensor;
}

function emptyTotals(metrics: Readonly<Record<string, Score>> = {}): Totals {
  const zero = (): Tensor => tensor(0, { dtype: "float32" });
  return {
    sums: Object.fromEntries(["loss", ...Object.keys(metrics)].map((name) => [name, zero()])),
    examples: zero(),
    steps: tensor(0, { dtype: "int32" }),
    bad: tensor(-1, { dtype: "int32" }),
  };
}

/** Adds the scores of one batch. */
function addScores(totals: Totals, scores: Readonly<Record<string, Tensor>>, examples: number): Totals {
  const healthy = isFinite(scores.loss!);
  const first = logicalAnd(logicalNot(healthy), less(totals.bad, 0));
  return {
    sums: Object.fromEntries(
      Object.entries(totals.sums).map(([name, sum]) => [name, add(sum, mul(cast(scores[name]!, "float32"), examples))]),
    ),
    examples: add(totals.examples, examples),
    steps: add(totals.steps, 1),
    bad: where(first, totals.steps, totals.bad),
  };
}

async function readTotals(totals: Totals, epoch: number): Promise<Scores> {
  const bad = await totals.bad.item();
  const examples = await totals.examples.item();
  const sums = await Promise.all(Object.entries(totals.sums).map(async ([name, sum]) => [name, (await sum.item()) / examples] as const));
  const scores = Object.fromEntries(sums);
  if (bad >= 0) throw new DivergedError(bad, epoch, scores.loss!);
  return scores;
}

/** Gives memory back at once instead of when the garbage collector comes by. */
export const release = (...tensors: readonly Tensor[]): void => tensors.forEach((tensor) => tensor.dispose());

/** Forward, loss, gradient, update and scores of one batch as one program. */
function trainingStep<M extends object>(forward: Forward<M>, { loss, optimizer, metrics = {} }: FitOptions<M>) {
  return compile(
    (model: M, state: unknown, totals: Totals, x: Tensor, y: Tensor, epochKey: Key) => {
      const key = foldIn(epochKey, totals.steps);
      const lossOf = (m: M) => {
        const result = forward(m, x, { key });
        const outputs = outputsOf(result);
        const objective = loss(outputs, y);
        requireScalar(objective);
        return [objective, { outputs, next: isPair(result) ? result[1] : m }] as const;
      };
      const [value, gradient, { outputs, next }] = valueAndGrad(lossOf, { hasAux: true })(model);
      const [updated, nextState] = optimizer.update(gradient, state as never, next);
      const scores = { loss: value, ...scoresOf(metrics, outputs, y) };
      return [updated, nextState as unknown, addScores(totals, scores, x.shape[0]!)] as const;
    },
    { donate: [0, 1, 2], name: "fit" },
  );
}

const scoresOf = (metrics: Readonly<Record<string, Score>>, outputs: Tensor, targets: Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(outputs, targets)]));

/** A pass over a dataset without training. */
function scoring<M extends object>(
  forward: Forward<M>,
  { loss, metrics = {} }: Pick<FitOptions<M>, "loss" | "metrics">,
  batch: number,
): (model: M, source: Source<Example>) => Promise<Scores> {
  const step = compile(
    (totals: Totals, model: M, x: Tensor, y: Tensor) => {
      const outputs = outputsOf(forward(model, x, {}));
      return addScores(totals, { loss: loss(outputs, y), ...scoresOf(metrics, outputs, y) }, x.shape[0]!);
    },
    { donate: [0], name: "evaluate" },
  );
  return async (model, source) => {
    let totals = emptyTotals(metrics);
    for (const example of loader(source, { batch })) {
      requireExample(example);
      const { x, y } = example;
      totals = step(totals, model, x, y);
      release(x, y);
      await breathe();
    }
    // An infinite validation loss is a result, not a failure of training.
    const scores = await readTotals({ ...totals, bad: tensor(-1, { dtype: "int32" }) }, 0);
    release(...treeLeaves(totals));
    return scores;
  };
}
