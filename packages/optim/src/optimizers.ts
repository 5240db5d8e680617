/**
 * The optimizers that have names: each a short chain, with PyTorch's defaults. They differ in one link
 * only; read `rules.ts` for the formulas, and put your own chain together where none of these fits.
 */
import { type DecayOptions, addDecayedWeights, negate, scaleByLearningRate } from "./links.ts";
import {
  type AdadeltaRuleOptions, type AdagradRuleOptions, type AdamRuleOptions, type BetaOptions, type Betas, type MomentumOptions,
  type NadamRuleOptions, type RmsRuleOptions, type RpropRuleOptions, accumulateMomentum, resilient, scaleByAdadelta,
  scaleByAdagrad, scaleByAdam, scaleByAdamax, scaleByLion, scaleByNadam, scaleByRadam, scaleByRms,
} from "./rules.ts";
import { type Rate, inverseTimeDecay, toSchedule } from "./schedules.ts";
import { type Optimizer, type Transform, chain } from "./transform.ts";
import { mul } from "@dormouse/tensor";

/** What every optimizer takes. */
export interface OptimizerOptions extends DecayOptions {
  /** A number or a schedule. */
  readonly learningRate?: Rate;
  /** Weight decay. Default 0, for `adamW` 0.01. */
  readonly weightDecay?: number;
  /** Climbs instead of descending. Default false. */
  readonly maximize?: boolean;
}

/** Weight decay as a penalty: it enters the gradient before the rule sees it. */
const penalized = (
  { learningRate = 1e-3, weightDecay = 0, maximize = false, decays }: OptimizerOptions,
  ...rules: readonly Transform[]
): Optimizer =>
  chain(
    ...(maximize ? [negate()] : []),
    ...(weightDecay !== 0 ? [addDecayedWeights(weightDecay, decays ? { decays } : {})] : []),
    ...rules,
    scaleByLearningRate(learningRate),
  );

/** Weight decay apart from the rule: the weights shrink by `learningRate · weightDecay` at every step. */
const decoupled = (
  { learningRate = 1e-3, weightDecay = 0, maximize = false, decays }: OptimizerOptions,
  rule: Transform,
): Optimizer =>
  chain(
    ...(maximize ? [negate()] : []),
    rule,
    ...(weightDecay !== 0 ? [addDecayedWeights(weightDecay, decays ? { decays } : {})] : []),
    scaleByLearningRate(learningRate),
  );

/** `momentum` is 0 by default. */
export interface SgdOptions extends OptimizerOptions, MomentumOptions {}

/** Gradient descent: `p ← p - rate·g`, with momentum or Nesterov's (Sutskever et al. 2013). Rate 1e-3 by default. */
export const sgd = ({ momentum = 0, ...options }: SgdOptions = {}): Optimizer =>
  penalized(options, ...(momentum !== 0 ? [accumulateMomentum({ ...options, momentum })] : []));

export interface AdamOptions extends OptimizerOptions, AdamRuleOptions {}

/**
 * Adam (Kingma and Ba 2015): `p ← p - rate·m̂ / (√v̂ + ε)`. Rate 1e-3, betas [0.9, 0.999], eps 1e-8. Weight decay is
 * a penalty; `adamW` has the decoupled one.
 */
export const adam = (options: AdamOptions = {}): Optimizer => penalized(options, scaleByAdam(options));

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019), 0.01 by default: `p ← p·(1 - rate·decay)` first. */
export const adamW = ({ weightDecay = 0.01, ...options }: AdamOptions = {}): Optimizer =>
  decoupled({ ...options, weightDecay }, scaleByAdam(options));

export interface AdagradOptions extends OptimizerOptions, AdagradRuleOptions {
  /** Divides the rate by `1 + rateDecay · step`. Default 0. */
  readonly rateDecay?: number;
}

/** Adagrad (Duchi et al. 2011): `p ← p - rate·g / (√Σg² + ε)`. Rate 0.01, eps 1e-10. */
export const adagrad = ({ learningRate = 0.01, rateDecay = 0, ...options }: AdagradOptions = {}): Optimizer =>
  penalized(
    { ...options, learningRate: rateDecay > 0 ? slowed(learningRate, rateDecay) : learningRate },
    scaleByAdagrad(options),
  );

function slowed(rate: Rate, decay: number): Rate {
  const [schedule, slope] = [toSchedule("adagrad", rate), inverseTimeDecay(1, { decay })];
  return (step) => mul(schedule(step), slope(step));
}

export interface RmspropOptions extends OptimizerOptions, RmsRuleOptions {
  /** Momentum of the scaled gradients. Default 0. */
  readonly momentum?: number;
}

/** RMSProp (Tieleman and Hinton 2012): `p ← p - rate·g / (√v + ε)`. Rate 0.01, decay 0.99, eps 1e-8. */
export const rmsprop = ({ learningRate = 0.01, momentum = 0, ...options }: RmspropOptions = {}): Optimizer =>
  penalized(
    { ...options, learningRate },
    scaleByRms(options),
    ...(momentum > 0 ? [accumulateMomentum({ momentum })] : []),
  );

export interface AdadeltaOptions extends OptimizerOptions, AdadeltaRuleOptions {}

/** Adadelta (Zeiler 2012), which needs no rate: 1 by default. Decay 0.9, eps 1e-6. */
export const adadelta = ({ learningRate = 1, ...options }: AdadeltaOptions = {}): Optimizer =>
  penalized({ ...options, learningRate }, scaleByAdadelta(options));

export interface AdamaxOptions extends OptimizerOptions, BetaOptions {}

/** AdaMax (Kingma and Ba 2015, section 7): Adam with the largest gradient instead of the root of squares. Rate 2e-3. */
export const adamax = ({ learningRate = 2e-3, ...options }: AdamaxOptions = {}): Optimizer =>
  penalized({ ...options, learningRate }, scaleByAdamax(options));

export interface NadamOptions extends OptimizerOptions, NadamRuleOptions {}

/** NAdam (Dozat 2016): Adam with Nesterov's momentum. Rate 2e-3. */
export const nadam = ({ learningRate = 2e-3, ...options }: NadamOptions = {}): Optimizer =>
  penalized({ ...options, learningRate }, scaleByNadam(options));

export interface RadamOptions extends OptimizerOptions, BetaOptions {}

/** RAdam (Liu et al. 2020): Adam that warms itself up. Rate 1e-3. */
export const radam = (options: RadamOptions = {}): Optimizer => penalized(options, scaleByRadam(options));

export interface LionOptions extends OptimizerOptions {
  /** Default [0.9, 0.99]. */
  readonly betas?: Betas;
}

/** Lion (Chen et al. 2023): the sign of a momentum, with decoupled weight decay. Rate 1e-4. */
export const lion = ({ learningRate = 1e-4, ...options }: LionOptions = {}): Optimizer =>
  decoupled({ ...options, learningRate }, scaleByLion(options));

export interface RpropOptions extends Omit<RpropRuleOptions, "initialStep"> {
  /** Size of the first steps. Default 0.01. */
  readonly learningRate?: number;
  readonly maximize?: boolean;
}

/** Rprop (Riedmiller and Braun 1993): the sign of the gradient, times a step that adapts to every element. */
export const rprop = ({ learningRate = 0.01, maximize = false, ...options }: RpropOptions = {}): Optimizer =>
  chain(...(maximize ? [negate()] : []), resilient({ ...options, initialStep: learningRate }));
