/**
 * Linear models on real data (`linear-models`): principal components, and least squares, ridge, lasso, elastic net,
 * logistic and softmax regression, each brought to its optimum with the library's losses and derivatives. Smooth ones by
 * Newton's method whose linear systems are solved by conjugate gradients over Hessian-vector products, the others by
 * accelerated proximal gradients (Beck and Teboulle 2009).
 */
import { grad, hvp } from "@dormouse/autograd";
import { binaryCrossEntropyWithLogits, crossEntropy, mse } from "@dormouse/losses";
import { r2 } from "@dormouse/metrics";
import { softshrink } from "@dormouse/nn";
import {
  type Tensor, abs, add, argmax, cast, compile, concat, div, equal, greater, linalg, linear, matmul, mean, mul, neg,
  reshape, slice, ones, square, std, sub, sum, tensor, where, zeros,
} from "@dormouse/tensor";
import type { Case, CaseFile } from "./case.ts";
import { Checks } from "./checks.ts";
import type { Tolerance } from "./compare.ts";
import { readTable } from "./data.ts";
import { type Computed, type Expected, compareTree } from "./metrics/tree.ts";

/** A model and its data. */
export interface LinearCase extends Omit<Case, "tol"> {
  readonly dataset: string;
  readonly rows: "all" | readonly number[];
  readonly standardised: boolean;
  readonly alpha?: number;
  readonly l1_ratio?: number;
  readonly C?: number;
  readonly expected: Readonly<Record<string, Expected>>;
  readonly tol: Tolerance;
}

/** The file of the group, which says where data sets are. */
export interface LinearFile extends CaseFile {
  readonly datasets: Readonly<Record<string, string>>;
}

interface Examples {
  /** Standardized by mean and population deviation. */
  readonly x: Tensor;
  /** The last column; names are numbered as they first appear. */
  readonly y: number[];
  readonly center: Tensor;
  readonly scale: Tensor;
}

function examplesOf({ dataset, rows }: LinearCase, { datasets }: LinearFile, data: string): Examples {
  const [, ...lines] = readTable(data, datasets[dataset]!);
  const chosen = rows === "all" ? lines : rows.map((row) => lines[row]!);
  const raw = tensor(chosen.map((line) => line.slice(0, -1).map(Number)) as number[][], { dtype: "float64" });
  const names = [...new Set(lines.map((line) => line.at(-1)!))];
  const isNumeric = names.every((name) => Number.isFinite(Number(name)));
  const center = mean(raw, { axis: 0 });
  const scale = std(raw, { axis: 0, correction: 0 });
  const y = chosen.map((line) => (isNumeric ? Number(line.at(-1)) : names.indexOf(line.at(-1)!)));
  return { x: div(sub(raw, center), scale), y, center, scale };
}

const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b));

/** Minimizes a smooth convex function of a vector of `size` elements; steps are halved until they descend. */
async function minimize(f: (w: Tensor) => Tensor, size: number): Promise<Tensor> {
  const value = compile(f);
  const gradient = compile(grad(f));
  const advance = compile((w: Tensor, x: Tensor, r: Tensor, p: Tensor) => {
    const [product] = hvp(f, [w], [p]);
    const before = dot(r, r);
    const curvature = dot(p, product);
    const isDone = equal(curvature, 0);
    const alpha = where(isDone, 0, div(before, where(isDone, 1, curvature)));
    const rest = sub(r, mul(alpha, product));
    const beta = where(isDone, 0, div(dot(rest, rest), where(isDone, 1, before)));
    return [add(x, mul(alpha, p)), rest, add(rest, mul(beta, p)), dot(rest, rest)] as const;
  });
  let w: Tensor = zeros([size], { dtype: "float64" });
  let best = await value(w).item();
  for (let step = 0; step < 50; step++) {
    const slope = neg(gradient(w));
    let [x, r, p]: readonly Tensor[] = [zeros([size], { dtype: "float64" }), slope, slope];
    const whole = await dot(slope, slope).item();
    // In exact arithmetic `size` iterations solve the system.
    for (let k = 0, rest = whole; k < 2 * size && rest > 1e-20 * whole; k++) {
      const [nextX, nextR, nextP, left] = advance(w, x!, r!, p!);
      [x, r, p] = [nextX, nextR, nextP];
      rest = await left.item();
    }
    const before = best;
    for (let share = 1; share > 1e-6; share /= 2) {
      const next = add(w, mul(x!, share));
      const reached = await value(next).item();
      if (reached > best) continue;
      [w, best] = [next, reached];
      break;
    }
    if (before - best <= 1e-14 * Math.abs(best)) break;
  }
  return w;
}

type Model = (each: LinearCase, examples: Examples) => Promise<Computed>;

/** All elements but the last, which is the intercept. */
const split = (w: Tensor): readonly [coefficients: Tensor, intercept: Tensor] => [slice(w, [[0, -1]]), slice(w, [-1])];
const float64 = (values: readonly number[]): Tensor => tensor([...values], { dtype: "float64" });
const predict = (x: Tensor, w: Tensor, b: Tensor): Tensor => add(matmul(x, w), b);

const squares: Model = async ({ alpha = 0, standardised }, { x, y, center, scale }) => {
  const target = float64(y);
  const w = await minimize((z) => {
    const [coefficients, intercept] = split(z);
    const error = sub(target, predict(x, coefficients, intercept));
    return add(sum(square(error)), mul(sum(square(coefficients)), alpha));
  }, x.shape[1]! + 1);
  const [coefficients, intercept] = split(w);
  const prediction = predict(x, coefficients, intercept);
  const raw = div(coefficients, scale);
  const design = standardised ? x : add(mul(x, scale), center);
  return {
    coef: standardised ? coefficients : raw,
    intercept: standardised ? intercept : sub(intercept, dot(raw, center)),
    mse: mse(prediction, target),
    r2: r2(prediction, target),
    singular_values: linalg.singularValues(concat([design, ones([x.shape[0]!, 1], { dtype: "float64" })], { axis: 1 })),
  };
};

const sparse: Model = async ({ alpha, l1_ratio = 1 }, { x, y }) => {
  const target = float64(y);
  const intercept = mean(target);
  const [count, size] = x.shape as [number, number];
  const error = (w: Tensor): Tensor => sub(sub(target, matmul(x, w)), intercept);
  const smooth = (w: Tensor): Tensor =>
    add(mul(sum(square(error(w))), 0.5 / count), mul(sum(square(w)), 0.5 * alpha! * (1 - l1_ratio)));
  // Columns have variance 1, so that no curvature exceeds their number.
  const rate = 1 / (size + alpha! * (1 - l1_ratio));
  const step = compile((at: Tensor, before: Tensor, momentum: Tensor) => {
    const w = softshrink(sub(at, mul(grad(smooth)(at), rate)), { width: rate * alpha! * l1_ratio });
    return [w, add(w, mul(momentum, sub(w, before)))] as const;
  });
  let [w, at]: readonly Tensor[] = [zeros([size], { dtype: "float64" }), zeros([size], { dtype: "float64" })];
  for (let t = 0; t < 400; t++) [w, at] = step(at!, w!, float64([t / (t + 3)]));
  const objective = add(smooth(w!), mul(sum(abs(w!)), alpha! * l1_ratio));
  return { coef: w, intercept, objective };
};

const logistic: Model = async ({ C }, { x, y }) => {
  const target = float64(y);
  const logitsOf = (w: Tensor): Tensor => predict(x, ...split(w));
  const loss = (w: Tensor, reduction: "sum" | "mean"): Tensor =>
    binaryCrossEntropyWithLogits(logitsOf(w), target, { reduction });
  const objective = (w: Tensor): Tensor => add(mul(loss(w, "sum"), C!), mul(sum(square(split(w)[0])), 0.5));
  const w = await minimize(objective, x.shape[1]! + 1);
  const hits = equal(cast(greater(logitsOf(w), 0), "float64"), target);
  const [coef, intercept] = split(w);
  return { coef, intercept, objective: objective(w), log_loss: loss(w, "mean"), accuracy: mean(cast(hits, "float64")) };
};

const softmaxRegression: Model = async ({ C }, { x, y }) => {
  const labels = tensor(Int32Array.from(y));
  const [size, classes] = [x.shape[1]!, Math.max(...y) + 1];
  const parts = (w: Tensor): readonly [Tensor, Tensor] => [
    reshape(slice(w, [[0, classes * size]]), [classes, size]),
    slice(w, [[classes * size, null]]),
  ];
  const logitsOf = (w: Tensor): Tensor => linear(x, ...parts(w));
  const objective = (w: Tensor): Tensor =>
    add(mul(crossEntropy(logitsOf(w), labels, { reduction: "sum" }), C!), mul(sum(square(parts(w)[0])), 0.5));
  const w = await minimize(objective, classes * (size + 1));
  const [coef, intercept] = parts(w);
  const hits = equal(argmax(logitsOf(w), { axis: 1 }), labels);
  return {
    coef,
    intercept: sub(intercept, mean(intercept)),
    objective: objective(w),
    log_loss: crossEntropy(logitsOf(w), labels),
    accuracy: mean(cast(hits, "float64")),
  };
};

/** The first two directions of greatest variance of standardized data. */
const principal: Model = (_, { x }) => {
  const { s, vt } = linalg.svd(x);
  const variances = square(s);
  return Promise.resolve({
    explained_variance_ratio: div(variances, sum(variances)),
    abs_components: abs(slice(vt, [[0, 2]])),
  });
};

const models: Readonly<Record<string, Model>> = {
  least_squares: squares,
  ridge: squares,
  lasso: sparse,
  elastic_net: sparse,
  logistic_regression: logistic,
  softmax_regression: softmaxRegression,
  pca: principal,
};

/** Checks a case, or returns null for a model that there is not, or without the data. */
export function checkLinearModel(
  each: LinearCase,
  file: LinearFile,
  data: string | null,
): Promise<readonly string[]> | null {
  const model = models[each.op];
  if (!model || !data) return null;
  const checks = new Checks({ f64: each.tol }, "float64");
  return model(each, examplesOf(each, file, data))
    .then((got) => compareTree(checks, "", got, each.expected))
    .then(() => checks.settle());
}
