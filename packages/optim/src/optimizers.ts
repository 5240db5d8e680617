/**
 * The optimizers that have names: each a short chain, with PyTorch's defaults. They differ in one link
 * only; read `rules.ts` for the formulas, and put your own chain together where none of these fits.
 */
import { mul, pow } from "@dormouse/tensor";
import { type DecayOptions, addDecayedWeights, negate, scaleByLearningRate } from "./links.ts";
import {
  type AdadeltaRuleOptions, type AdagradRuleOptions, type AdamRuleOptions, type BetaOptions, type Betas,
  type MaxpropRuleOptions, type MomentumOptions, type NadamRuleOptions, type RmsRuleOptions, type RpropRuleOptions,
  accumulateMomentum, resilient, scaleByAdadelta, scaleByAdagrad, scaleByAdam, scaleByAdamax, scaleByLion,
  scaleByMaxprop, scaleByNadam, scaleByRadam, scaleByRms,
} from "./rules.ts";
import { requireForm, requireOptions } from "./options.ts";
import { type Rate, inverseTimeDecay, toSchedule } from "./schedules.ts";
import { type Optimizer, type Transform, chain } from "./transform.ts";

/** What every optimizer takes. */
export interface OptimizerOptions extends DecayOptions {
  /** A number or a schedule. */
  readonly learningRate?: Rate;
  /** Weight decay. Default 0, for `adamW` 0.01. */
  readonly weightDecay?: number;
  /** Climbs instead of descending. Default false. */
  readonly maximize?: boolean;
}

/**
 * Weight decay as a penalty: it enters the gradient before the rules see it. Options are checked before the rules are
 * made, so that an error names the optimizer and not one of its links.
 */
function penalized(op: string, options: OptimizerOptions, rules: () => readonly Transform[]): Optimizer {
  requireOptions(op, options);
  const { learningRate = 1e-3, weightDecay = 0, maximize = false, decays } = options;
  return chain(
    ...(maximize ? [negate()] : []),
    ...(weightDecay !== 0 ? [addDecayedWeights(weightDecay, decays ? { decays } : {})] : []),
    ...rules(),
    scaleByLearningRate(learningRate),
  );
}

/** Weight decay apart from the rules: the weights shrink by `learningRate · weightDecay` at every step. */
function decoupled(op: string, options: OptimizerOptions, rules: () => readonly Transform[]): Optimizer {
  requireOptions(op, options);
  const { learningRate = 1e-3, weightDecay = 0, maximize = false, decays } = options;
  return chain(
    ...(maximize ? [negate()] : []),
    ...rules(),
    ...(weightDecay !== 0 ? [addDecayedWeights(weightDecay, decays ? { decays } : {})] : []),
    scaleByLearningRate(learningRate),
  );
}

/** `momentum` is 0 by default. */
export interface SgdOptions extends OptimizerOptions, MomentumOptions {}

/** The links of a momentum, none where it is 0. */
const momentumOf = (op: string, { momentum = 0, ...options }: MomentumOptions): readonly Transform[] => {
  requireForm(op, { ...options, momentum });
  return momentum !== 0 ? [accumulateMomentum({ ...options, momentum })] : [];
};

/** Gradient descent: `p ← p - rate·g`, with momentum or Nesterov's (Sutskever et al. 2013). Rate 1e-3 by default. */
export const sgd = (options: SgdOptions = {}): Optimizer => penalized("sgd", options, () => momentumOf("sgd", options));

/**
 * Gradient descent with decoupled weight decay (SGDW, Loshchilov and Hutter 2019), 0.01 by default: the weights shrink
 * by `rate·decay`, which the momentum does not remember.
 */
export const sgdW = ({ weightDecay = 0.01, ...options }: SgdOptions = {}): Optimizer =>
  decoupled("sgdW", { ...options, weightDecay }, () => momentumOf("sgdW", options));

export interface AdamOptions extends OptimizerOptions, AdamRuleOptions {}

/**
 * Adam (Kingma and Ba 2015): `p ← p - rate·m̂ / (√v̂ + ε)`. Rate 1e-3, betas [0.9, 0.999], eps 1e-8. Weight decay is
 * a penalty; `adamW` has the decoupled one.
 */
export const adam = (options: AdamOptions = {}): Optimizer => penalized("adam", options, () => [scaleByAdam(options)]);

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019), 0.01 by default: `p ← p·(1 - rate·decay)` first. */
export const adamW = ({ weightDecay = 0.01, ...options }: AdamOptions = {}): Optimizer =>
  decoupled("adamW", { ...options, weightDecay }, () => [scaleByAdam(options)]);

export interface AdagradOptions extends OptimizerOptions, AdagradRuleOptions {
  /** Divides the rate by `1 + rateDecay · step`. Default 0. */
  readonly rateDecay?: number;
}

/** Adagrad (Duchi et al. 2011): `p ← p - rate·g / (√Σg² + ε)`. Rate 0.01, eps 1e-10. */
export function adagrad({ learningRate = 0.01, rateDecay = 0, ...options }: AdagradOptions = {}): Optimizer {
  requireOptions("adagrad", { learningRate, rateDecay });
  const rate = rateDecay > 0 ? slowed(learningRate, rateDecay) : learningRate;
  return penalized("adagrad", { ...options, learningRate: rate }, () => [scaleByAdagrad(options)]);
}

function slowed(rate: Rate, decay: number): Rate {
  const [schedule, slope] = [toSchedule("adagrad", rate), inverseTimeDecay(1, { decay })];
  return (step) => mul(schedule(step), slope(step));
}

export interface RmspropOptions extends OptimizerOptions, RmsRuleOptions {
  /** Momentum of the scaled gradients. Default 0. */
  readonly momentum?: number;
}

/** RMSProp (Tieleman and Hinton 2012): `p ← p - rate·g / (√v + ε)`. Rate 0.01, decay 0.99, eps 1e-8. */
export const rmsprop = ({ learningRate = 0.01, ...options }: RmspropOptions = {}): Optimizer =>
  penalized("rmsprop", { ...options, learningRate }, () => [
    scaleByRms(options),
    ...momentumOf("rmsprop", { momentum: options.momentum ?? 0 }),
  ]);

export interface MaxpropOptions extends OptimizerOptions, MaxpropRuleOptions {}

/** MaxProp: `p ← p - rate·g / (u + ε)` with the decaying largest gradient, `u ← max(decay·u, |g|)`. Rate 0.01. */
export const maxprop = ({ learningRate = 0.01, ...options }: MaxpropOptions = {}): Optimizer =>
  penalized("maxprop", { ...options, learningRate }, () => [scaleByMaxprop(options)]);

export interface AdadeltaOptions extends OptimizerOptions, AdadeltaRuleOptions {}

/** Adadelta (Zeiler 2012), which needs no rate: 1 by default. Decay 0.9, eps 1e-6. */
export const adadelta = ({ learningRate = 1, ...options }: AdadeltaOptions = {}): Optimizer =>
  penalized("adadelta", { ...options, learningRate }, () => [scaleByAdadelta(options)]);

export interface AdamaxOptions extends OptimizerOptions, BetaOptions {}

/** AdaMax (Kingma and Ba 2015, section 7): Adam with the largest gradient instead of the root of squares. Rate 2e-3. */
export const adamax = ({ learningRate = 2e-3, ...options }: AdamaxOptions = {}): Optimizer =>
  penalized("adamax", { ...options, learningRate }, () => [scaleByAdamax(options)]);

/** Where weight decay goes, for optimizers that have it both ways. */
export interface DecayPlacement {
  /** Decay apart from the rule, as in `adamW`, rather than as a penalty. Default false. */
  readonly decoupled?: boolean;
}

export interface NadamOptions extends OptimizerOptions, NadamRuleOptions, DecayPlacement {}

/** NAdam (Dozat 2016): Adam with Nesterov's momentum. Rate 2e-3. */
export const nadam = ({ learningRate = 2e-3, ...options }: NadamOptions = {}): Optimizer =>
  (options.decoupled ? decoupled : penalized)("nadam", { ...options, learningRate }, () => [scaleByNadam(options)]);

export interface RadamOptions extends OptimizerOptions, BetaOptions, DecayPlacement {}

/** RAdam (Liu et al. 2020): Adam that warms itself up. Rate 1e-3. */
export const radam = (options: RadamOptions = {}): Optimizer =>
  (options.decoupled ? decoupled : penalized)("radam", options, () => [scaleByRadam(options)]);

export interface LionOptions extends OptimizerOptions {
  /** Default [0.9, 0.99]. */
  readonly betas?: Betas;
}

/** Lion (Chen et al. 2023): the sign of a momentum, with decoupled weight decay. Rate 1e-4. */
export const lion = ({ learningRate = 1e-4, ...options }: LionOptions = {}): Optimizer =>
  decoupled("lion", { ...options, learningRate }, () => [scaleByLion(options)]);

export interface AsgdOptions extends Omit<OptimizerOptions, "learningRate"> {
  /** The first rate. Default 0.01. */
  readonly learningRate?: number;
  /** Decay of the weights and of the rate, λ. Default 1e-4. */
  readonly shrink?: number;
  /** Of the fall of the rate. Default 0.75. */
  readonly power?: number;
}

/**
 * The descent of averaged SGD (Polyak and Juditsky 1992, with the rates of Bottou 2010): `p ← p - ηₜ(g + λp)`,
 * `ηₜ = rate / (1 + λ·rate·t)^power`. Its answer is the mean of the weights from some step on, which `swa({ start })`
 * takes; PyTorch's `ASGD` is both, with the start `t0 + 1`.
 */
export function asgd({ learningRate = 0.01, shrink = 1e-4, power = 0.75, ...options }: AsgdOptions = {}): Optimizer {
  const { weightDecay = 0 } = options;
  requireOptions("asgd", { learningRate, shrink, power, weightDecay });
  const fall = inverseTimeDecay(1, { decay: shrink * learningRate });
  const rate: Rate = (step) => mul(pow(fall(step), power), learningRate);
  return penalized("asgd", { ...options, learningRate: rate, weightDecay: weightDecay + shrink }, () => []);
}

export interface RpropOptions extends Omit<RpropRuleOptions, "initialStep"> {
  /** Size of the first steps. Default 0.01. */
  readonly learningRate?: number;
  readonly maximize?: boolean;
}

/** Rprop (Riedmiller and Braun 1993): the sign of the gradient, times a step that adapts to every element. */
export function rprop({ learningRate = 0.01, maximize = false, ...options }: RpropOptions = {}): Optimizer {
  requireOptions("rprop", { ...options, learningRate });
  return chain(...(maximize ? [negate()] : []), resilient({ ...options, initialStep: learningRate }));
}
