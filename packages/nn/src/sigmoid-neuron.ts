/** The sigmoid neuron: a threshold that has a slope, and so can be learned by gradients. */
import { type Tensor, ValueError, add, matmul, tensor, zeros } from "@dormouse/tensor";
import { logistic } from "./activations.ts";
import { requireSizes } from "./linear.ts";

export interface SigmoidNeuronOptions {
  /** Number of inputs. */
  readonly inputs: number;
  /** Steepness a of σ(a·x). Default 1. */
  readonly slope?: number;
  /** First weights. Default zeros. */
  readonly weights?: readonly number[];
  /** First bias. Default 0. */
  readonly bias?: number;
}

/** See `sigmoidNeuron`. */
export class SigmoidNeuron {
  readonly weight: Tensor;
  readonly bias: Tensor<[]>;
  readonly slope: number;

  constructor({ inputs, slope = 1, weights, bias = 0 }: SigmoidNeuronOptions) {
    requireSizes("sigmoidNeuron", { inputs });
    if (weights && weights.length !== inputs) {
      throw new ValueError("sigmoidNeuron", `${weights.length} weights for ${inputs} inputs`, {
        expected: inputs,
        received: weights.length,
        hint: "give one weight per input",
      });
    }
    this.weight = weights ? tensor([...weights]) : zeros([inputs]);
    this.bias = tensor(bias) as Tensor<[]>;
    this.slope = slope;
  }

  /** `[.., inputs]` to `[..]`, numbers in (0, 1). */
  forward(x: Tensor): Tensor {
    return logistic(add(matmul(x, this.weight), this.bias), { slope: this.slope });
  }
}

/**
 * A neuron with a smooth threshold: `σ(a(w · x + b))`. It has a gradient to learn by, and with a slope a → ∞ it is a
 * perceptron. Weights are tensors: differentiate and update it as any model.
 *
 * ```ts
 * const neuron = sigmoidNeuron({ inputs: 1, weights: [2], bias: 1 });
 * await neuron.forward(tensor([0])).item();   // 0.7310…
 * ```
 */
export const sigmoidNeuron = (options: SigmoidNeuronOptions): SigmoidNeuron => new SigmoidNeuron(options);
