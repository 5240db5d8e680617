/**
 * Beta calibration: a map of probabilities of yes that can be the identity, unlike a logistic curve. Fitting reads its
 * data once and works on the host in float64; the fitted map takes tensors to tensors, lazily, on any device.
 */
import { type Tensor, ValueError, add, clamp, log, mul, sigmoid, sub } from "@dormouse/tensor";
import { requireProbabilities } from "./bins.ts";
import { minimize } from "./minimize.ts";
import { type Values, numbersOf, requireCount, requireLabels } from "./values.ts";

/** A curve of three parameters through probabilities. */
export interface BetaCalibration {
  /** Factor of ln p, at least 0. */
  readonly a: number;
  /** Factor of −ln(1 − p), at least 0. */
  readonly b: number;
  readonly c: number;
  /** `sigmoid(a · ln p − b · ln(1 − p) + c)`. The identity for a = b = 1, c = 0. */
  transform(probabilities: Tensor): Tensor;
}

/** The distance from 1 to the next float32: nearer to 0 or 1 than this a probability says nothing more. */
const edge = 2 ** -23;

/**
 * Beta calibration of probabilities of yes [N] with targets 0 or 1: maximum likelihood of σ(a ln p − b ln(1 − p) + c)
 * with a, b ≥ 0, so that the curve never falls. It is the right map where the probabilities of each class are spread as
 * a beta distribution. Probabilities count as at least 2⁻²³ away from 0 and 1. Kull, Silva Filho and Flach, 2017.
 * Throws `ValueError` where probabilities separate the targets.
 *
 * ```ts
 * const map = await betaCalibration(validationProbabilities, validationTargets);
 * map.transform(probabilities);
 * ```
 */
export async function betaCalibration(probabilities: Values, targets: Values): Promise<BetaCalibration> {
  const op = "betaCalibration";
  const [{ data: p }, { data: labels }] = await Promise.all([numbersOf(probabilities), numbersOf(targets)]);
  requireCount(op, "targets", labels.length, p.length);
  requireLabels(op, labels, 2);
  requireProbabilities(op, p);
  const bounded = p.map((value) => Math.min(1 - edge, Math.max(edge, value)));
  const features = [bounded.map((value) => Math.log(value)), bounded.map((value) => -Math.log1p(-value))];
  // The loss is convex, so that where its least point has a negative factor, the best allowed one has a factor of 0.
  const free = fitOf(features, labels, [true, true]);
  const isAllowed = ({ x }: Fit): boolean => x[0]! >= 0 && x[1]! >= 0;
  const fits = isAllowed(free)
    ? [free]
    : [[true, false], [false, true], [false, false]].map((active) => fitOf(features, labels, active)).filter(isAllowed);
  const best = fits.reduce((least, fit) => (fit.value < least.value ? fit : least));
  // A target on the wrong side of ½ costs at least ln 2. Where there is none, a steeper curve would be better still.
  if (!best.converged || best.value * labels.length < Math.LN2) {
    throw new ValueError(op, "the probabilities separate the targets, so that no finite curve fits best", {
      hint: "use more examples, among them some that are predicted wrongly",
    });
  }
  return betaCalibrationOf({ a: best.x[0]!, b: best.x[1]!, c: best.x[2]! });
}

/** The curve with parameters that were fitted before. */
export const betaCalibrationOf = ({ a, b, c }: Pick<BetaCalibration, "a" | "b" | "c">): BetaCalibration => ({
  a,
  b,
  c,
  transform(x) {
    const inside = clamp(x, { min: edge, max: 1 - edge });
    return sigmoid(add(sub(mul(log(inside), a), mul(log(sub(1, inside)), b)), c));
  },
});

type Fit = ReturnType<typeof minimize>;

/** Logistic regression on two features and an offset; factors that are not active stay 0. */
const fitOf = (features: readonly Float64Array[], labels: Float64Array, active: readonly boolean[]): Fit =>
  minimize(([a = 0, b = 0, c = 0], gradient) => {
    gradient.fill(0);
    let loss = 0;
    labels.forEach((label, row) => {
      const [first, second] = [features[0]![row]!, features[1]![row]!];
      const z = a * first + b * second + c;
      loss += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - label * z;
      const error = 1 / (1 + Math.exp(-z)) - label;
      gradient[0]! += error * first;
      gradient[1]! += error * second;
      gradient[2]! += error;
    });
    active.forEach((isActive, i) => {
      if (!isActive) gradient[i] = 0;
    });
    for (let i = 0; i < 3; i++) gradient[i]! /= labels.length;
    return loss / labels.length;
  }, Float64Array.of(active[0] ? 1 : 0, active[1] ? 1 : 0, 0));
