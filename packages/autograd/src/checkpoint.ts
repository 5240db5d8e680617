/**
 * Gradient checkpointing: memory against time. A checkpointed function becomes a `call` that is recomputed in the
 * backward pass (Griewank & Walther, "Algorithm 799: revolve", 2000; Chen et al., "Training deep nets with sublinear
 * memory cost", 2016). The recomputation itself is the `call` row of `derivative.ts`.
 */
import { primitive } from "@dormouse/tensor/graph";
import { closeOver } from "./inline.ts";

/**
 * The same function, whose intermediate values are not kept for the backward pass: it runs again when they are needed.
 * Values and gradients are unchanged, tensors it closes over get theirs too. √L checkpoints along L layers keep O(√L)
 * activations for one more forward pass.
 *
 * The function must build its result from tensors without reading values. Throws `TransformError` where it returns no
 * tensor.
 *
 * ```ts
 * const loss = (m: Model) => mse(checkpoint((h: Tensor) => m.block.forward(h))(m.stem.forward(x)), y);
 * ```
 */
export function checkpoint<A extends readonly unknown[], R>(f: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const { result, sources, inputs, outputs } = closeOver("checkpoint", f, args);
    // One call for each output: their bodies share nodes, and `lower` computes a shared node once. The mark they have in
    // common lets the backward pass take them together.
    const recompute = {};
    return result.rebuild(
      outputs.map((output) => primitive.call(sources, { name: "checkpoint", body: { inputs, output }, recompute })),
    );
  };
}
