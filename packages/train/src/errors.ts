/** What can go wrong while training, beyond what the packages below say. */
import { DormouseError } from "@dormouse/tensor";

/** The loss stopped being a finite number. */
export class DivergedError extends DormouseError {
  /** Step within the epoch, and the epoch, both from 0. */
  readonly step: number;
  readonly epoch: number;

  constructor(step: number, epoch: number, loss: number) {
    super("fit", `the loss is not finite at step ${step} of epoch ${epoch}`, {
      received: loss,
      hint: "lower the learning rate, clip gradients, or look for extreme values in the data",
    });
    this.step = step;
    this.epoch = epoch;
  }
}
