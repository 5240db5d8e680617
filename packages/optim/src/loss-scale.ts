/**
 * The loss scale of training in float16: a factor on the gradient while it passes through numbers that end at 6e-8 and
 * at 65504. Owns how the factor changes, and that a step whose gradient has overflowed changes nothing else. What is
 * computed in float16, and where the factor enters and leaves, is in `mixed-precision.ts`.
 */
import {
  type Tensor, ValueError, add, full, greaterEqual, isFinite, mapTree, maximum, minimum, mul, where, zeros,
} from "@dormouse/tensor";
import { globalNorm } from "./links.ts";
import { requireWhole, requireWithin } from "./options.ts";
import {
  type Nested, type Optimizer, type State, type Transform, chain, erased, isNested, linksOf, mapUpdates, momentOf,
  runLinks,
} from "./transform.ts";

export interface LossScaleOptions {
  /** The first scale. Default 2¹⁶. Powers of two, here and below, scale without rounding. */
  readonly initial?: number;
  /** Steps in a row with a finite gradient after which the scale grows. Default 2000. */
  readonly growthInterval?: number;
  /** What the scale is then multiplied by. Default 2. */
  readonly growth?: number;
  /** What it is multiplied by after a gradient that is not finite. Default 0.5. */
  readonly backoff?: number;
  /** The scale never falls below this. Default 1. */
  readonly least?: number;
  /** The scale never grows above this: where gradients vanish it would overflow in the end. Default 2²⁴. */
  readonly greatest?: number;
}

/** The scale, and the state of the links that update only where the gradient is finite. */
class LossScale implements Nested {
  /** float32. */
  readonly scale: Tensor<[]>;
  /** Finite gradients in a row since the scale changed last, int32. */
  readonly streak: Tensor<[]>;
  /** Updates done and left out, int32. */
  readonly updates: Tensor<[]>;
  readonly skipped: Tensor<[]>;
  readonly links: readonly unknown[];

  constructor(
    scale: Tensor<[]>, streak: Tensor<[]>, updates: Tensor<[]>, skipped: Tensor<[]>, links: readonly unknown[],
  ) {
    this.scale = scale;
    this.streak = streak;
    this.updates = updates;
    this.skipped = skipped;
    this.links = links;
  }

  mapLinks(f: (states: readonly unknown[]) => readonly unknown[]): LossScale {
    return new LossScale(this.scale, this.streak, this.updates, this.skipped, f(this.links));
  }
}

/**
 * An optimizer for gradients that pass through float16 (Micikevicius et al. 2018). Its state holds a scale, which
 * `lossScaleOf` gives to `mixedPrecision`. A step whose gradient is not finite leaves parameters, moments, schedules
 * and the step count as they are, bit for bit, and lowers the scale; `growthInterval` finite ones in a row raise it.
 * All of it is decided on the device, so every step of a compiled loop is the same program and nothing is read back.
 *
 * The gradient is finite where its norm, in float32, is. Links inside, such as a clip, see only gradients without the
 * scale. Throws `ValueError` for options out of range.
 *
 * @example
 * const optimizer = dynamicLossScale(adamW({ learningRate: 1e-3 }));
 * const state = optimizer.init({ w: tensor([1, 2]) });
 * console.log(await lossScaleOf(state).item()); // 65536
 */
export function dynamicLossScale(optimizer: Transform | Optimizer, options: LossScaleOptions = {}): Optimizer {
  const { initial, growthInterval, growth, backoff, least, greatest } = checkedOptions(options);
  const links = linksOf(optimizer);
  const zero = (): Tensor<[]> => zeros([], { dtype: "int32" });
  const link: Transform<LossScale> = {
    init: (params) => new LossScale(full([], initial), zero(), zero(), zero(), links.map((each) => each.init(params))),
    update(updates, state, { params }) {
      const isGood = isFinite(globalNorm(updates));
      const [changed, next] = runLinks(links, updates, state.links, momentOf(params, state.updates));
      const streak = add(state.streak, 1);
      const isDue = greaterEqual(streak, growthInterval);
      const grown = where(isDue, minimum(mul(state.scale, growth), greatest), state.scale);
      const after = new LossScale(
        where(isGood, grown, maximum(mul(state.scale, backoff), least)),
        where(isGood, where(isDue, 0, streak), 0),
        where(isGood, add(state.updates, 1), state.updates),
        where(isGood, state.skipped, add(state.skipped, 1)),
        mapTree((later, before) => where(isGood, later, before!), next, state.links),
      );
      return [mapUpdates(changed, (update) => where(isGood, update, 0)), after];
    },
  };
  const whole = chain(erased(link));
  // Steps that are left out are no updates: the count is that of the link, in both places one tensor.
  const counted = ({ links: states }: State): State => ({ step: (states[0] as LossScale).updates, links: states });
  return {
    ...whole,
    init: (params) => counted(whole.init(params)),
    update(gradient, state, params) {
      const [updated, next] = whole.update(gradient, state, params);
      return [updated, counted(next)];
    },
  };
}

/**
 * The factor on the gradient of the next step, float32. Throws `ValueError` for the state of an optimizer without one.
 *
 * @example
 * const state = dynamicLossScale(sgd(), { initial: 1024 }).init({ w: tensor([1]) });
 * console.log(await lossScaleOf(state).item()); // 1024
 */
export const lossScaleOf = (state: State): Tensor<[]> => scaleIn("lossScaleOf", state).scale;

/**
 * Steps that `dynamicLossScale` has left out so far because their gradient was not finite, int32. Throws `ValueError`
 * for the state of an optimizer without a loss scale.
 */
export const skippedStepsOf = (state: State): Tensor<[]> => scaleIn("skippedStepsOf", state).skipped;

function scaleIn(op: string, { links }: State): LossScale {
  const found = search(links);
  if (found) return found;
  throw new ValueError(op, "the optimizer has no loss scale", { hint: "make it with dynamicLossScale(optimizer)" });
}

/** The first loss scale among the states of links, outer ones first. */
function search(links: readonly unknown[]): LossScale | null {
  let found = (links.find((link) => link instanceof LossScale) as LossScale | undefined) ?? null;
  for (const link of links) {
    if (found) break;
    if (isNested(link)) link.mapLinks((inner) => ((found ??= search(inner)), inner));
  }
  return found;
}

function checkedOptions(options: LossScaleOptions): Required<LossScaleOptions> {
  const op = "dynamicLossScale";
  const { initial = 2 ** 16, growthInterval = 2000, growth = 2, backoff = 0.5 } = options;
  const { least = 1, greatest = 2 ** 24 } = options;
  requireWithin(op, "least", least, Number.MIN_VALUE, Infinity);
  requireWithin(op, "greatest", greatest, least, 2 ** 127);
  requireWithin(op, "growth", growth, 1, Infinity);
  requireWithin(op, "backoff", backoff, Number.MIN_VALUE, 1);
  requireWhole(op, "growthInterval", growthInterval, 1);
  if (initial >= least && initial <= greatest) return { initial, growthInterval, growth, backoff, least, greatest };
  throw new ValueError(op, `initial is ${initial}`, {
    expected: [least, greatest], received: initial, hint: `use a number from least (${least}) to greatest (${greatest})`,
  });
}
