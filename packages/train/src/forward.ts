/**
 * What a model is to the loop: a function of inputs, perhaps with a next model beside the outputs. Owns the checks of
 * what comes in and out of it; trains nothing.
 */
import { type Key, ShapeError, type Tensor, ValueError } from "@dormouse/tensor";

/** What a dataset gives: inputs `x` and targets `y`. */
export interface Example {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** A random key while training, nothing while evaluating: what `Dropout` and `BatchNorm` ask for. */
export interface ForwardContext {
  readonly key?: Key;
}

/**
 * Computes a model's outputs. In training it may return `[outputs, next]`, where `next` is the model with new running
 * statistics.
 */
export type Forward<M> = (model: M, x: Tensor, context: ForwardContext) => Tensor | readonly [Tensor, M];

interface WithForward {
  forward(x: Tensor, context?: ForwardContext): Tensor | readonly [Tensor, unknown];
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

/** Gives memory back at once instead of when the garbage collector comes by. */
export const release = (...tensors: readonly Tensor[]): void => tensors.forEach((tensor) => tensor.dispose());
