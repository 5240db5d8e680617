/**
 * Gradients of several small batches for one update, where the batch that is wanted does not fit into memory. What
 * gathers and what waits is decided by a count on the device, so that every step of a compiled loop is the same program.
 */
import { type Tensor, ValueError, add, div, equal, mapTree, where, zeros, zerosLike } from "@dormouse/tensor";
import { requireWhole } from "./options.ts";
import {
  type ByPath, type Nested, type Optimizer, type Transform, chain, erased, linksOf, mapUpdates, momentOf, runLinks,
} from "./transform.ts";

export interface AccumulateOptions {
  /** Gradients in one update. */
  readonly steps: number;
  /** What is made of them: as the loss is reduced over a batch. Default "mean". */
  readonly reduction?: "mean" | "sum";
}

/** The gradients gathered so far, and the state of what they wait for. */
class Gathered implements Nested {
  readonly sums: ByPath;
  /** Gradients since the last update, and updates done, int32. */
  readonly count: Tensor<[]>;
  readonly updates: Tensor<[]>;
  readonly links: readonly unknown[];
  constructor(sums: ByPath, count: Tensor<[]>, updates: Tensor<[]>, links: readonly unknown[]) {
    this.sums = sums;
    this.count = count;
    this.updates = updates;
    this.links = links;
  }

  mapLinks(f: (states: readonly unknown[]) => readonly unknown[]): Gathered {
    return new Gathered(this.sums, this.count, this.updates, f(this.links));
  }
}

/**
 * Gathers the gradients of `steps` batches and updates with their mean at every last one; the parameters stay as they
 * are in between. With a loss that is a mean over batches of one size this is the update of one batch `steps` times as
 * large. Schedules inside count updates; links chained before see every single gradient: `chain(clipByGlobalNorm(1),
 * accumulate(…))` clips each, `accumulate(chain(clipByGlobalNorm(1), …), …)` their mean. The state holds one more tensor
 * per parameter.
 *
 * @example
 * const optimizer = accumulate(adamW({ learningRate: 1e-3 }), { steps: 8 });
 */
export function accumulate(
  optimizer: Transform | Optimizer,
  { steps, reduction = "mean" }: AccumulateOptions,
): Optimizer {
  requireWhole("accumulate", "steps", steps, 1);
  if (reduction !== "mean" && reduction !== "sum") {
    throw new ValueError("accumulate", `reduction is ${JSON.stringify(reduction)}`, {
      expected: ["mean", "sum"], received: reduction, hint: `use "mean" or "sum"`,
    });
  }
  const links = linksOf(optimizer);
  const zero = (): Tensor<[]> => zeros([], { dtype: "int32" });
  const link: Transform<Gathered> = {
    init: (params) =>
      new Gathered(mapUpdates(params, (each) => zerosLike(each)), zero(), zero(), links.map((each) => each.init(params))),
    update(updates, state, { params }) {
      const count = add(state.count, 1);
      const isDue = equal(count, steps);
      const sums = mapUpdates(updates, (update, path) => add(state.sums[path]!, update));
      const whole = reduction === "mean" ? mapUpdates(sums, (sum) => div(sum, steps)) : sums;
      const [changed, next] = runLinks(links, whole, state.links, momentOf(params, state.updates));
      const after = new Gathered(
        { ...state.sums, ...mapUpdates(sums, (sum) => where(isDue, 0, sum)) },
        where(isDue, 0, count),
        where(isDue, add(state.updates, 1), state.updates),
        mapTree((later, before) => where(isDue, later, before!), next, state.links),
      );
      return [mapUpdates(changed, (update) => where(isDue, update, 0)), after];
    },
  };
  return chain(erased(link));
}
