/**
 * Initializers and random numbers (`init-rng`). Scales are formulas and compared exactly; streams are compared with
 * acceptance limits of the cases, at a fixed seed. Statistics are computed on the host.
 */
import { grad, vmap } from "@dormouse/autograd";
import { Dropout, Linear, dropout, initializers } from "@dormouse/nn";
import {
  type Key, type Tensor, abs, arange, bernoulli, categorical, div, erfc, foldIn, key, log, matmul, mul, normal, ones,
  permutation, reshape, split, sum, tensor, transpose, truncatedNormal, uniform,
} from "@dormouse/tensor";
import type { Case } from "./case.ts";
import { Checks, type FloatType, specOf } from "./checks.ts";
import type { Tolerance } from "./compare.ts";
import { UnknownOption } from "./watch.ts";

/** A case of a scale, a gain or a stream. */
export interface RandomCase extends Omit<Case, "tol"> {
  readonly nonlinearity?: string;
  readonly param?: number | null;
  readonly shape?: readonly number[];
  readonly gain?: number;
  readonly n?: number;
  readonly a?: number;
  readonly b?: number;
  readonly p?: number;
  readonly size?: number;
  readonly probs?: readonly number[];
  readonly shapes?: readonly (readonly number[])[];
  readonly expected: Readonly<Record<string, number>>;
  readonly tol?: Tolerance;
}

/** Every stream starts here. A new tensor each time: one that was used stays on its device. */
const seed = (): Key => key(20_240);

const average = (values: ArrayLike<number>, f = (x: number) => x): number => {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += f(values[i]!);
  return total / values.length;
};

/** The largest distance between the empirical distribution of sorted values and the true one at them. */
function kolmogorov(truth: ArrayLike<number>): number {
  let worst = 0;
  const n = truth.length;
  for (let i = 0; i < n; i++) worst = Math.max(worst, Math.abs(truth[i]! - i / n), Math.abs(truth[i]! - (i + 1) / n));
  return worst;
}

const chiSquare = (counts: readonly number[], expected: readonly number[]): number =>
  counts.reduce((total, count, i) => total + (count - expected[i]!) ** 2 / expected[i]!, 0);

function correlation(a: ArrayLike<number>, b: ArrayLike<number>, lag = 0): number {
  const [meanA, meanB] = [average(a), average(b)];
  let [both, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i + lag < a.length; i++) {
    both += (a[i]! - meanA) * (b[i + lag]! - meanB);
    squaresA += (a[i]! - meanA) ** 2;
    squaresB += (b[i]! - meanB) ** 2;
  }
  return both / Math.sqrt(squaresA * squaresB);
}

type Check = (checks: Checks, each: RandomCase, dtype: FloatType) => Promise<void> | void;

/** Nonlinearities as PyTorch names them; a convolution is as linear as any layer. */
const nonlinearities: Readonly<Record<string, Parameters<typeof initializers.gainOf>[0]>> = {
  linear: "linear", conv1d: "linear", conv2d: "linear", conv3d: "linear", sigmoid: "sigmoid", tanh: "tanh", relu: "relu",
  leaky_relu: "leakyRelu", selu: "selu",
};

const checksByOp: Readonly<Record<string, Check>> = {
  gain: (checks, { nonlinearity, param, expected }) => {
    const name = nonlinearities[nonlinearity!];
    if (!name) throw new UnknownOption([`nonlinearity ${nonlinearity}`]);
    const gain = param === null ? initializers.gainOf(name) : initializers.gainOf(name, param);
    checks.addNumbers("gain", [gain], specOf([expected.gain!]));
  },

  scale: async (checks, { shape, gain, expected }) => {
    const { fanIn, fanOut } = initializers.fans(shape!);
    checks.addNumbers("fans", [fanIn, fanOut], specOf([expected.fan_in!, expected.fan_out!]));
    // With one key, an initializer is a multiple of the plain stream, and the multiple is its scale.
    const scaleOf = (initializer: ReturnType<typeof initializers.xavierUniform>, plain: Tensor): Promise<number> =>
      div(sum(abs(initializer(seed(), shape!, { dtype: "float64" }))), sum(abs(plain))).item();
    const flat = uniform(seed(), shape!, { low: -1, high: 1, dtype: "float64" });
    const bell = normal(seed(), shape!, { dtype: "float64" });
    const rows = [
      ["xavier_uniform_bound", initializers.xavierUniform({ gain: gain! }), flat],
      ["xavier_normal_std", initializers.xavierNormal({ gain: gain! }), bell],
      ["kaiming_uniform_bound_fan_in", initializers.kaimingUniform({ gain: gain! }), flat],
      ["kaiming_normal_std_fan_in", initializers.kaimingNormal({ gain: gain! }), bell],
      ["kaiming_uniform_bound_fan_out", initializers.kaimingUniform({ gain: gain!, mode: "fanOut" }), flat],
      ["kaiming_normal_std_fan_out", initializers.kaimingNormal({ gain: gain!, mode: "fanOut" }), bell],
      ["lecun_normal_std", initializers.lecunNormal(), bell],
      ["lecun_uniform_bound", initializers.lecunUniform(), flat],
      ["torch_linear_default_weight_bound", initializers.defaultWeight, flat],
    ] as const;
    for (const [name, initializer, plain] of rows) {
      if (expected[name] === undefined) continue;
      checks.addNumbers(name, [await scaleOf(initializer, plain)], specOf([expected[name]]));
    }
    const bound = expected.torch_linear_default_bias_bound;
    if (bound === undefined) return;
    const bias = await abs(new Linear(fanIn, 4096, { key: seed() }).bias!).data();
    checks.within("bias bound", Math.max(...bias), 0.99 * bound, bound);
  },

  uniform01: async (checks, { n, expected }, dtype) => {
    const values = await uniform(seed(), [n!], { dtype }).data();
    const { mean, mean_tol, ks_max, chi2_100_bins_max, lag1_autocorr_max } = expected;
    checks.within("range", Math.min(...values), 0, 1);
    checks.within("range", Math.max(...values), 0, 1 - 2 ** -54);
    const middle = average(values);
    checks.around("mean", middle, mean!, mean_tol!);
    checks.around("variance", average(values, (x) => (x - middle) ** 2), expected.var!, expected.var_tol!);
    checks.within("Kolmogorov distance", kolmogorov(Float64Array.from(values).sort()), 0, ks_max!);
    const counts = new Array<number>(100).fill(0);
    values.forEach((x) => counts[Math.floor(x * 100)]!++);
    checks.within("chi square", chiSquare(counts, counts.map(() => n! / 100)), 0, chi2_100_bins_max!);
    checks.around("lag-1 correlation", correlation(values, values, 1), 0, lag1_autocorr_max!);
  },

  normal: async (checks, { n, expected }, dtype) => {
    const values = await normal(seed(), [n!], { dtype }).data();
    const mean = average(values);
    const variance = average(values, (x) => (x - mean) ** 2);
    checks.around("mean", mean, expected.mean!, expected.mean_tol!);
    checks.around("variance", variance, expected.var!, expected.var_tol!);
    checks.around("skewness", average(values, (x) => (x - mean) ** 3) / variance ** 1.5, 0, expected.skew_tol!);
    checks.around("excess kurtosis", average(values, (x) => (x - mean) ** 4) / variance ** 2 - 3, 0, expected.excess_kurtosis_tol!);
    const sorted = tensor(values.slice().sort());
    const truth = await mul(erfc(mul(sorted, -Math.SQRT1_2)), 0.5).data();
    checks.within("Kolmogorov distance", kolmogorov(truth), 0, expected.ks_max!);
    checks.within("largest value", Math.max(...values.map(Math.abs)), expected.expected_max_abs_at_least!, Infinity);
  },

  truncated_normal: async (checks, { a, b, n, expected }, dtype) => {
    const values = await truncatedNormal(seed(), [n!], { low: a!, high: b!, dtype }).data();
    checks.within("least value", Math.min(...values), a!, b!);
    checks.within("largest value", Math.max(...values), a!, b!);
    const mean = average(values);
    checks.around("mean", mean, expected.mean!, 4.5 * Math.sqrt(expected.var! / n!));
    checks.around("variance", average(values, (x) => (x - mean) ** 2), expected.var!, expected.var_tol!);
  },

  bernoulli: async (checks, { p, n, expected }) => {
    const values = await bernoulli(seed(), p!, [n!]).data();
    checks.around("mean", average(values), expected.mean!, expected.mean_tol!);
  },

  dropout: async (checks, { p, n, expected }, dtype) => {
    const x = ones([n!], { dtype });
    const [kept, slope] = await Promise.all([
      dropout(seed(), x, p!).data(),
      grad((z: Tensor) => sum(dropout(seed(), z, p!)))(x).data(),
    ]);
    checks.around("kept fraction", average(kept, (y) => (y === 0 ? 0 : 1)), expected.kept_fraction!, expected.kept_tol!);
    const value = dtype === "float32" ? Math.fround(expected.kept_value!) : expected.kept_value!;
    const strange = kept.filter((y) => y !== 0 && Math.abs(y - value) > 1e-6 * value);
    checks.within("elements that are neither 0 nor 1/(1-p)", strange.length, 0, 0);
    checks.within("elements whose slope differs", kept.filter((y, i) => y !== slope[i]).length, 0, 0);
    const evaluated = await new Dropout(p!).forward(x).data();
    checks.within("elements changed without a key", evaluated.filter((y) => y !== 1).length, 0, 0);
  },

  permutation: async (checks, { size, n, expected }) => {
    const orders = await vmap((i: Tensor) => permutation(foldIn(seed(), i), size!))(arange(n!, { dtype: "int32" })).data();
    const counts = new Array<number>(size! ** 2).fill(0);
    orders.forEach((element, at) => counts[element * size! + (at % size!)]!++);
    checks.within("chi square", chiSquare(counts, counts.map(() => n! / size!)), 0, expected.chi2_positions_max!);
  },

  categorical: async (checks, { probs, n, expected }, dtype) => {
    const wanted = dtype === "float64" ? Float64Array.from(probs!) : Float32Array.from(probs!);
    const drawn = await categorical(seed(), log(tensor(wanted)), { shape: [n!] }).data();
    const counts = probs!.map(() => 0);
    drawn.forEach((index) => counts[index]!++);
    checks.within("chi square", chiSquare(counts, probs!.map((p) => p * n!)), 0, expected.chi2_max!);
  },

  orthogonal: async (checks, { shapes }, dtype) => {
    for (const shape of shapes!) {
      const [rows, columns] = shape as [number, number];
      const q = reshape(initializers.orthogonal()(seed(), shape, { dtype }), [rows, columns]);
      const gram = await (rows <= columns ? matmul(q, transpose(q)) : matmul(transpose(q), q)).data();
      const side = Math.min(rows, columns);
      const worst = Math.max(...gram.map((x, i) => Math.abs(x - (i % (side + 1) === 0 ? 1 : 0))));
      checks.within(`|QQ' - 1| of [${shape.join(", ")}]`, worst, 0, 1e-6);
    }
  },

  seeding: async (checks, _, dtype) => {
    const n = 100_000;
    const stream = async (of: Key) => uniform(of, [n], { dtype }).data();
    const [first, again, other] = await Promise.all([stream(key(1)), stream(key(1)), stream(key(2))]);
    checks.within("elements that differ for one seed", first.filter((x, i) => x !== again[i]).length, 0, 0);
    const limit = 4.5 / Math.sqrt(n);
    checks.around("correlation of two seeds", correlation(first, other), 0, limit);
    const [left, right] = await Promise.all(split(key(1)).map(stream));
    checks.around("correlation of a key and its child", correlation(first, left!), 0, limit);
    checks.around("correlation of two children", correlation(left!, right!), 0, limit);
  },
};

/** Checks a case, or returns null for a distribution that there is not. */
export function checkRandom(each: RandomCase, dtype: FloatType): Promise<readonly string[]> | null {
  const check = checksByOp[each.op];
  if (!check) return null;
  const checks = new Checks({ f64: each.tol ?? { rtol: 0, atol: 0 }, f32: each.tol ?? { rtol: 0, atol: 0 } }, dtype);
  return Promise.resolve(check(checks, each, dtype)).then(() => checks.settle());
}
