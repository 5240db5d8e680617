/**
 * The update rules: each turns a gradient into a direction by what it remembers of earlier ones. One transform per
 * rule, written as its formula; learning rates and weight decay are links of their own. Every rule is elementwise, so
 * that a whole update is one pass over memory. With PyTorch's definitions, which also decide where ε sits.
 */
import {
  type DType, type Tensor, abs, add, cast, div, equal, expm1, full, fullLike, greater, less, mapTree, maximum, mul, neg, pow, sign,
  sqrt, square, sub, where, zerosLike,
} from "@dormouse/tensor";
import { requireForm, requireOptions } from "./options.ts";
import { type ByPath, type Transform, erased, isFloat, perDType, perParameter, sharedDType, updateEach } from "./transform.ts";

export type Betas = readonly [first: number, second: number];

export interface EpsOptions {
  /** Keeps divisions finite. */
  readonly eps?: number;
  /** `√(v + ε)` rather than `√v + ε`. Default false. */
  readonly epsInsideSqrt?: boolean;
}

/** `decay · average + (1 - decay) · value`. */
const averaged = (average: Tensor, value: Tensor, decay: number): Tensor =>
  add(mul(average, decay), mul(value, 1 - decay));

/** `1 - βⁿ`, as `-expm1(n ln β)`: float32 would lose four digits of it at n = 1 and β = 0.999. */
const correction = (beta: number, n: Tensor<[]>): Tensor<[]> => neg(expm1(mul(n, Math.log(beta))));

/** `√v + ε` or `√(v + ε)`. */
const rootOf = (v: Tensor, eps: number, isInside: boolean): Tensor => (isInside ? sqrt(add(v, eps)) : add(sqrt(v), eps));

export interface MomentumOptions {
  /** Share of the momentum that is kept. Default 0.9. */
  readonly momentum?: number;
  /** Share of a gradient that does not enter the momentum, except of the first. Default 0. */
  readonly dampening?: number;
  /** Looks ahead: `g + momentum·m`, and `(1 - momentum)·g + momentum·m` of an average. Default false. */
  readonly nesterov?: boolean;
  /**
   * What the momentum is of the gradients: their fading sum, `m ← momentum·m + g`, or their moving average,
   * `m ← momentum·m + (1 - momentum)·g`, whose steps are shorter by the factor `1 - momentum`. Default "sum".
   */
  readonly form?: "sum" | "average";
}

/**
 * `m ← momentum·m + (1 - dampening)·g`, starting with `m = g`; with `form: "average"`,
 * `m ← momentum·m + (1 - momentum)·g`, starting with 0. After t steps the sum is `Σ momentum^(t-i)·gᵢ`.
 *
 * The third common form has the rate inside, `u ← momentum·u + rate·g`, which differs where the rate changes. It is the
 * chain in the other order: `chain(scaleByLearningRate(rate), accumulateMomentum())`.
 */
export function accumulateMomentum(options: MomentumOptions = {}): Transform {
  const { momentum = 0.9, dampening = 0, nesterov = false, form = "sum" } = options;
  requireOptions("accumulateMomentum", { momentum });
  requireForm("accumulateMomentum", options);
  if (form === "average") {
    return perParameter(zerosLike, () => (g, m) => {
      const next = averaged(m, g, momentum);
      return [nesterov ? averaged(next, g, momentum) : next, next];
    });
  }
  return perParameter(zerosLike, ({ step }) => {
    const share = perDType((dtype) => where(equal(step(dtype), 0), 1, fullLike(step(dtype), 1 - dampening)));
    return (g, m) => {
      const next: Tensor = add(mul(m, momentum), dampening === 0 ? g : mul(g, share(g.dtype)));
      return [nesterov ? add(g, mul(next, momentum)) : next, next];
    };
  });
}

/**
 * Where Nesterov's method measures the slope: `params - momentum·velocity`, tensor by tensor, with velocities that have
 * the rate inside (Nesterov 1983, in the form of Sutskever et al. 2013). `sgd({ nesterov: true })` holds these points as
 * its parameters, which makes its step a function of the gradient there and nothing else.
 *
 * ```ts
 * const gradient = grad(loss)(lookAheadPoint(params, velocity, { momentum: 0.9 }));
 * ```
 */
export const lookAheadPoint = <P>(
  params: P,
  velocity: P,
  { momentum = 0.9 }: Pick<MomentumOptions, "momentum"> = {},
): P => mapTree((p, u) => (isFloat(p) ? sub(p, mul(u!, momentum)) : p), params, velocity);

export interface AdamRuleOptions extends EpsOptions {
  /** Decays of the averages of the gradient and of its square. Default [0.9, 0.999]. */
  readonly betas?: Betas;
  /** Divides by the largest average so far (Reddi et al. 2018). Default false. */
  readonly amsgrad?: boolean;
}

interface Moments {
  readonly mean: Tensor;
  readonly square: Tensor;
}

const noMoments = (p: Tensor): Moments => ({ mean: zerosLike(p), square: zerosLike(p) });

const nextMoments = ({ mean, square: v }: Moments, g: Tensor, [first, second]: Betas): Moments => ({
  mean: averaged(mean, g, first),
  square: averaged(v, square(g), second),
});

/** `m̂ / (√v̂ + ε)` (Kingma and Ba 2015). */
export function scaleByAdam({ betas = [0.9, 0.999], eps = 1e-8, epsInsideSqrt = false, amsgrad = false }: AdamRuleOptions = {}): Transform {
  requireOptions("scaleByAdam", { betas, eps });
  const init = (p: Tensor): Moments & { readonly largest?: Tensor } =>
    amsgrad ? { ...noMoments(p), largest: zerosLike(p) } : noMoments(p);
  return perParameter(init, ({ step }) => {
    const shared = perDType((dtype) => {
      const n = add(step(dtype), 1);
      return { forMean: div(1, correction(betas[0], n)), forSquare: div(1, correction(betas[1], n)) };
    });
    return (g, state) => {
      const moments = nextMoments(state, g, betas);
      const largest = state.largest && maximum(state.largest, moments.square);
      const { forMean, forSquare } = shared(g.dtype);
      const root = rootOf(mul(largest ?? moments.square, forSquare), eps, epsInsideSqrt);
      return [div(mul(moments.mean, forMean), root), largest ? { ...moments, largest } : moments];
    };
  });
}

export interface AdagradRuleOptions extends EpsOptions {
  /** Where the sum of squares starts. Default 0. */
  readonly initialAccumulator?: number;
}

/** `g / (√Σg² + ε)` (Duchi et al. 2011). */
export function scaleByAdagrad({ initialAccumulator = 0, eps = 1e-10, epsInsideSqrt = false }: AdagradRuleOptions = {}): Transform {
  requireOptions("scaleByAdagrad", { initialAccumulator, eps });
  return perParameter(
    (p) => fullLike(p, initialAccumulator) as Tensor,
    () => (g, total) => {
      const next: Tensor = add(total, square(g));
      return [div(g, rootOf(next, eps, epsInsideSqrt)), next];
    },
  );
}

export interface RmsRuleOptions extends EpsOptions {
  /** Decay of the averages. Default 0.99. */
  readonly decay?: number;
  /** Divides by the deviation from the mean gradient rather than from 0. Default false. */
  readonly centered?: boolean;
}

/** `g / (√v + ε)`, v the average of g² or, centered, the variance of g (Tieleman and Hinton 2012). */
export function scaleByRms({ decay = 0.99, eps = 1e-8, centered = false, epsInsideSqrt = false }: RmsRuleOptions = {}): Transform {
  requireOptions("scaleByRms", { decay, eps });
  const init = (p: Tensor): { readonly square: Tensor; readonly mean?: Tensor } =>
    centered ? noMoments(p) : { square: zerosLike(p) };
  return perParameter(init, () => (g, state) => {
    const next = averaged(state.square, square(g), decay);
    if (!state.mean) return [div(g, rootOf(next, eps, epsInsideSqrt)), { square: next }];
    const mean = averaged(state.mean, g, decay);
    // Rounding may leave a variance below 0, whose root would be NaN.
    const variance = maximum(sub(next, square(mean)), 0);
    return [div(g, rootOf(variance, eps, epsInsideSqrt)), { mean, square: next }];
  });
}

export interface AdadeltaRuleOptions {
  /** Decay of the averages. Default 0.9. */
  readonly decay?: number;
  /** Inside both roots. Default 1e-6. */
  readonly eps?: number;
}

/** `√(u + ε) / √(v + ε) · g`, u the average of squared updates (Zeiler 2012). */
export function scaleByAdadelta({ decay = 0.9, eps = 1e-6 }: AdadeltaRuleOptions = {}): Transform {
  requireOptions("scaleByAdadelta", { decay, eps });
  return perParameter(
    (p) => ({ square: zerosLike(p), change: zerosLike(p) }),
    () => (g, state) => {
      const next = averaged(state.square, square(g), decay);
      const update: Tensor = mul(div(sqrt(add(state.change, eps)), sqrt(add(next, eps))), g);
      return [update, { square: next, change: averaged(state.change, square(update), decay) }];
    },
  );
}

export interface BetaOptions {
  /** Default [0.9, 0.999]. */
  readonly betas?: Betas;
  /** Default 1e-8. */
  readonly eps?: number;
}

/** `m̂ / u`, u the decaying largest |g| + ε (Kingma and Ba 2015, section 7.1). */
export function scaleByAdamax({ betas = [0.9, 0.999], eps = 1e-8 }: BetaOptions = {}): Transform {
  requireOptions("scaleByAdamax", { betas, eps });
  return perParameter(
    (p) => ({ mean: zerosLike(p), largest: zerosLike(p) }),
    ({ step }) => {
      const forMean = perDType((dtype) => div(1, correction(betas[0], add(step(dtype), 1))));
      return (g, state) => {
        const mean = averaged(state.mean, g, betas[0]);
        const largest: Tensor = maximum(mul(state.largest, betas[1]), add(abs(g), eps));
        return [div(mul(mean, forMean(g.dtype)), largest), { mean, largest }];
      };
    },
  );
}

export interface MaxpropRuleOptions {
  /** Decay of the largest gradient. Default 0.999. */
  readonly decay?: number;
  /** Default 1e-8. */
  readonly eps?: number;
}

/**
 * `g / (u + ε)`, u the decaying largest |g|: RMSProp with the largest gradient in the place of the root of mean squares,
 * which is AdaMax without its momentum. A gradient of 0 lets u shrink by `decay` only, whatever came before.
 */
export function scaleByMaxprop({ decay = 0.999, eps = 1e-8 }: MaxpropRuleOptions = {}): Transform {
  requireOptions("scaleByMaxprop", { decay, eps });
  return perParameter(zerosLike, () => (g, u) => {
    const largest: Tensor = maximum(mul(u, decay), abs(g));
    return [div(g, add(largest, eps)), largest];
  });
}

export interface NadamRuleOptions extends EpsOptions {
  /** Default [0.9, 0.999]. */
  readonly betas?: Betas;
  /** How fast the momentum warms up: `μₙ = β₁(1 - ½·0.96^(n·decay))`. Default 0.004. */
  readonly momentumDecay?: number;
}

/** Adam that looks ahead (Dozat 2016): `((1 - μₙ)/(1 - Mₙ)·g + μₙ₊₁/(1 - Mₙμₙ₊₁)·m) / (√v̂ + ε)`, `Mₙ = Π μᵢ`. */
export function scaleByNadam({ betas = [0.9, 0.999], eps = 1e-8, epsInsideSqrt = false, momentumDecay = 0.004 }: NadamRuleOptions = {}): Transform {
  requireOptions("scaleByNadam", { betas, eps, momentumDecay });
  const momentumAt = (n: Tensor<[]>): Tensor<[]> =>
    mul(sub(1, mul(pow(0.96, mul(n, momentumDecay)), 0.5)), betas[0]);
  interface NadamState {
    readonly product: Tensor<[]>;
    readonly moments: ByPath<Moments>;
  }
  return erased<NadamState>({
    init: (params) => ({
      product: full([], 1, { dtype: sharedDType(params) }),
      moments: Object.fromEntries(Object.entries(params).map(([path, p]) => [path, noMoments(p)])),
    }),
    update(updates, state, at) {
      const n = add(at.step(at.dtype), 1);
      const [now, then] = [momentumAt(n), momentumAt(add(n, 1))];
      const product = mul(state.product, now);
      const ofGradient = div(sub(1, now), sub(1, product));
      const ofMean = div(then, sub(1, mul(product, then)));
      const shared = perDType((dtype) => ({
        ofGradient: cast(ofGradient, dtype),
        ofMean: cast(ofMean, dtype),
        forSquare: div(1, correction(betas[1], add(at.step(dtype), 1))),
      }));
      const [changed, moments] = updateEach(updates, state.moments, at.params, (g, before) => {
        const after = nextMoments(before, g, betas);
        const share = shared(g.dtype);
        const ahead: Tensor = add(mul(g, share.ofGradient), mul(after.mean, share.ofMean));
        return [div(ahead, rootOf(mul(after.square, share.forSquare), eps, epsInsideSqrt)), after];
      });
      return [changed, { product, moments }];
    },
  });
}

/**
 * Adam whose first steps, until the variance of its denominator is known, are momentum alone (Liu et al. 2020):
 * rectified from the first step with ρ > 5.
 */
export function scaleByRadam({ betas = [0.9, 0.999], eps = 1e-8 }: BetaOptions = {}): Transform {
  requireOptions("scaleByRadam", { betas, eps });
  const last = 2 / (1 - betas[1]) - 1;
  const shared = (n: Tensor<[]>): { forMean: Tensor<[]>; isRectified: Tensor<[]>; scale: Tensor<[]> } => {
    const corrected = correction(betas[1], n);
    const length = sub(last, div(mul(mul(n, 2), sub(1, corrected)), corrected));
    const isRectified = greater(length, 5);
    const known = where(isRectified, length, 5);
    const gain = mul(div(mul(sub(known, 4), sub(known, 2)), known), last / ((last - 4) * (last - 2)));
    return { forMean: div(1, correction(betas[0], n)), isRectified, scale: sqrt(mul(gain, corrected)) };
  };
  return perParameter(noMoments, ({ step }) => {
    const sharedIn = perDType((dtype: DType) => shared(add(step(dtype), 1)));
    return (g, state) => {
      const after = nextMoments(state, g, betas);
      const { forMean, isRectified, scale } = sharedIn(g.dtype);
      const mean = mul(after.mean, forMean);
      return [where(isRectified, div(mul(mean, scale), add(sqrt(after.square), eps)), mean), after];
    };
  });
}

/** The sign of `β₁m + (1 - β₁)g`, while `m ← β₂m + (1 - β₂)g` (Chen et al. 2023). */
export function scaleByLion({ betas = [0.9, 0.99] }: { readonly betas?: Betas } = {}): Transform {
  requireOptions("scaleByLion", { betas });
  return perParameter(zerosLike as (p: Tensor) => Tensor, () => (g, m) => [
    sign(averaged(m, g, betas[0])),
    averaged(m, g, betas[1]),
  ]);
}

export interface RpropRuleOptions {
  /** Step of every element at the start. Default 0.01. */
  readonly initialStep?: number;
  /** Factors after a change of sign and without one. Default [0.5, 1.2]. */
  readonly factors?: readonly [shrink: number, grow: number];
  /** Least and greatest step. Default [1e-6, 50]. */
  readonly limits?: readonly [least: number, greatest: number];
}

/**
 * Steps of a size that grows while the gradient keeps its sign and shrinks where it changes, when the element stays
 * (Riedmiller and Braun 1993). For full batches.
 */
export function resilient({ initialStep = 0.01, factors = [0.5, 1.2], limits = [1e-6, 50] }: RpropRuleOptions = {}): Transform {
  requireOptions("resilient", { initialStep, factors });
  return perParameter(
    (p) => ({ gradient: zerosLike(p), size: fullLike(p, initialStep) }),
    () => (g, state) => {
      const agreement: Tensor = mul(g, state.gradient);
      const isTurned = less(agreement, 0);
      const factor = where(isTurned, fullLike(g, factors[0]), where(greater(agreement, 0), fullLike(g, factors[1]), 1));
      const grown: Tensor = mul(state.size, factor);
      const size = where(less(grown, limits[0]), limits[0], where(greater(grown, limits[1]), limits[1], grown));
      const gradient = where(isTurned, 0, g);
      return [mul(sign(gradient), size), { gradient, size }];
    },
  );
}
