/** Prediction with dropout switched on: what a model is unsure of differs from sample to sample. */
import { type Key, type Tensor, ShapeError, broadcastTo, mean, reshape, variance } from "@dormouse/tensor";
import { requireSizes, withKey } from "./linear.ts";
import { type Module, advance } from "./module.ts";
import { mapLayers } from "./modules.ts";
import { BatchNorm } from "./normalization.ts";

export interface MonteCarloOptions {
  readonly key: Key;
  /** Forward passes. Default 32. */
  readonly samples?: number;
}

/** What many forward passes agree on, and how much they differ. */
export interface MonteCarloPrediction {
  /** Over the samples, of the shape of one output. */
  readonly mean: Tensor;
  /** Over the samples, divided by their number. 0 where nothing in the model is random. */
  readonly variance: Tensor;
  /** All outputs, `[samples, ..]`. */
  readonly samples: Tensor;
}

/**
 * Predicts several times with the randomness of training: dropout at prediction time approximates the uncertainty of a
 * Bayesian network (Gal and Ghahramani 2016). The samples are one forward pass of a batch `samples` times as large,
 * since layers draw for every example apart. Normalization over batches is as in evaluation: its statistics are not a
 * matter of chance. For a classifier, average probabilities: let the model end in softmax.
 *
 * Throws `ShapeError` where the examples are not along the first axis of both input and output.
 *
 * ```ts
 * const { mean, variance } = monteCarlo(model, x, { samples: 64, key: key(0) });
 * ```
 */
export function monteCarlo(model: Module, x: Tensor, options: MonteCarloOptions): MonteCarloPrediction {
  const { key, samples: count = 32 } = withKey("monteCarlo", options);
  requireSizes("monteCarlo", { samples: count });
  const [examples, ...rest] = x.shape;
  if (examples === undefined) {
    throw new ShapeError("monteCarlo", "the input is a scalar", { received: x.shape, hint: "give examples along the first axis" });
  }
  const evaluated = mapLayers(model, (layer) => (layer instanceof BatchNorm ? withoutContext(layer) : layer));
  const copies = reshape(broadcastTo(x, [count, ...x.shape]), [count * examples, ...rest]);
  const [output] = advance(evaluated, copies, { key });
  if (output.shape[0] !== count * examples) {
    throw new ShapeError("monteCarlo", `the output is [${output.shape.join(", ")}] for ${count} times ${examples} examples`, {
      expected: count * examples,
      received: output.shape,
      hint: "give a model that keeps the examples along the first axis",
    });
  }
  const samples = reshape(output, [count, examples, ...output.shape.slice(1)]);
  return { mean: mean(samples, { axis: 0 }), variance: variance(samples, { axis: 0 }), samples };
}

/** The same layer, which evaluates whatever it is told. */
function withoutContext(layer: BatchNorm): BatchNorm {
  const forward = layer.forward.bind(layer);
  return Object.defineProperty(layer, "forward", { value: (x: Tensor) => forward(x) });
}
