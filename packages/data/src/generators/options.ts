/** Checks that all generators share. */
import { ValueError } from "@dormouse/tensor";

/** Throws unless `count` examples with this much noise can be made. */
export function checkGenerator(op: string, count: number, noise = 0): void {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new ValueError(op, `count ${count} is not a whole number from 0`, {
      received: count,
      hint: "use a count such as 1000",
    });
  }
  if (!(noise >= 0 && noise < Infinity)) {
    throw new ValueError(op, `noise ${noise} is not a standard deviation`, {
      received: noise,
      hint: "use a number from 0",
    });
  }
}
