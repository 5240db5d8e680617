/** What can go wrong while training, beyond what the packages below say. */
import { DormouseError } from "@dormouse/tensor";

/** Training met a number that is not finite, and stopped before it could spread. */
export class DivergedError extends DormouseError {
  /** Step within the epoch, and the epoch, both from 0. */
  readonly step: number;
  readonly epoch: number;
  /** The first tensor that was not finite, in words: `the gradient of hidden.weight`. */
  readonly tensor: string;

  constructor(step: number, epoch: number, tensor: string, loss: number) {
    super("fit", `${tensor} is not finite at step ${step} of epoch ${epoch}`, {
      received: loss,
      hint: "lower the learning rate, clip gradients, or look for extreme values in the data",
    });
    this.step = step;
    this.epoch = epoch;
    this.tensor = tensor;
  }
}
