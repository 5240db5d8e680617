/**
 * Optimizers (`optimisers`): 20 steps of each on a fixed list of gradients, on a quadratic and on a small perceptron,
 * compared after every step. Steps are compiled, so that the cases also check that a state keeps its structure. L-BFGS
 * only has to reach the optimum.
 */
import { valueAndGrad } from "@dormouse/autograd";
import {
  type Optimizer, adadelta, adagrad, adam, adamW, adamax, ema, lion, minimize, nadam, radam, rmsprop, rprop, sgd,
} from "@dormouse/optim";
import {
  type Tensor, add, compile, dot, linear, logSoftmax, matmul, mean, mul, neg, slice, square, sub, sum, tanh, tensor,
  oneHot,
} from "@dormouse/tensor";
import type { ArraySpec, Arrays, Case, CaseFile } from "../case.ts";
import { Checks, type FloatType, specOf, toTensor, toTensors } from "../checks.ts";
import { UnknownOption } from "../watch.ts";

/** A case of an optimizer, of two groups of parameters, or of an average. */
export interface OptimizerCase extends Case {
  readonly problem?: "sequence" | "quadratic" | "mlp";
  readonly config?: Configuration;
  readonly groups?: readonly (Configuration & { readonly params: readonly string[] })[];
  readonly params?: readonly (readonly number[])[];
  readonly loss?: readonly number[];
  readonly params_after_1?: Arrays;
  readonly params_final?: Arrays;
  readonly decay?: number;
  readonly init?: ArraySpec;
  readonly values?: ArraySpec;
  readonly expected?: readonly (readonly number[])[];
  readonly x0?: readonly [number, number];
  readonly optimum?: readonly [number, number];
}

/** The file of the group, which holds the problems. */
export interface OptimizerFile extends CaseFile {
  readonly problems: {
    readonly sequence: { readonly p0: ArraySpec; readonly grads: ArraySpec };
    readonly quadratic: { readonly A: ArraySpec; readonly b: ArraySpec; readonly x0: ArraySpec };
    readonly mlp: Readonly<Record<"X" | "t" | "w1" | "b1" | "w2" | "b2", ArraySpec>>;
  };
}

/** Options as PyTorch names them. */
export interface Configuration {
  readonly lr?: number;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly weight_decay?: number;
  readonly nesterov?: boolean;
  readonly maximize?: boolean;
  readonly lr_decay?: number;
  readonly eps?: number;
  readonly initial_accumulator_value?: number;
  readonly alpha?: number;
  readonly rho?: number;
  readonly centered?: boolean;
  readonly betas?: readonly [number, number];
  readonly amsgrad?: boolean;
  readonly momentum_decay?: number;
  readonly etas?: readonly [number, number];
  readonly step_sizes?: readonly [number, number];
}

const names: Readonly<Record<keyof Configuration, string>> = {
  lr: "learningRate", momentum: "momentum", dampening: "dampening", weight_decay: "weightDecay", nesterov: "nesterov",
  maximize: "maximize", lr_decay: "rateDecay", eps: "eps", initial_accumulator_value: "initialAccumulator",
  alpha: "decay", rho: "decay", centered: "centered", betas: "betas", amsgrad: "amsgrad",
  momentum_decay: "momentumDecay", etas: "factors", step_sizes: "limits",
};

/** Choices of an implementation, which change no number. */
const ofTheImplementation: ReadonlySet<string> = new Set(["foreach", "fused", "capturable", "differentiable"]);

/** Options under the names of the API. Throws `UnknownOption` for one that has none. */
export function optionsOf(config: Configuration): Record<string, unknown> {
  const given = Object.entries(config).filter(([name, value]) => value !== null && !ofTheImplementation.has(name));
  const unknown = given.flatMap(([name]) => (name in names ? [] : [name]));
  if (unknown.length > 0) throw new UnknownOption(unknown);
  return Object.fromEntries(given.map(([name, value]) => [names[name as keyof Configuration], value]));
}

/** Optimizers by the names of the cases. */
export const optimizers: Readonly<Record<string, (options: Record<string, unknown>) => Optimizer>> = {
  sgd, adagrad, rmsprop, adadelta, adam, adamw: adamW, adamax, nadam, radam, rprop, lion,
};

type Named = Readonly<Record<string, Tensor>>;

/** Parameters along the steps, and the loss before each. */
interface Problem {
  readonly start: Named;
  readonly loss?: (params: Named) => Tensor;
  /** The gradient at step t where it does not come from a loss. */
  readonly gradient?: (step: number) => Named;
}

function problemOf({ problems }: OptimizerFile, name: OptimizerCase["problem"], dtype: FloatType): Problem {
  if (name === "sequence") {
    const grads = toTensor(problems.sequence.grads, dtype);
    return {
      start: { p: toTensor(problems.sequence.p0, dtype) },
      gradient: (step) => ({ p: slice(grads, [step]) }),
    };
  }
  if (name === "quadratic") {
    const { A, b, x0 } = toTensors(arraysOf(problems.quadratic), dtype);
    return { start: { p: x0! }, loss: ({ p }) => sub(mul(dot(p!, matmul(A!, p!)), 0.5), dot(b!, p!)) };
  }
  const { X, t, ...start } = toTensors(arraysOf(problems.mlp), dtype);
  const wanted = oneHot(t!, 3, { dtype });
  return {
    start,
    loss: ({ w1, b1, w2, b2 }) => {
      const logits = linear(tanh(linear(X!, w1!, b1!)), w2!, b2!);
      return neg(mean(sum(mul(wanted, logSoftmax(logits, { axis: 1 })), { axis: 1 })));
    },
  };
}

/** The arrays among the fields of an object. */
const arraysOf = (fields: Readonly<Record<string, unknown>>): Arrays =>
  Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, ArraySpec] => typeof field[1] === "object"),
  );

/** Checks a case, or returns null for a kind or an optimizer that there is not. */
export function checkOptimizer(
  each: OptimizerCase,
  dtype: FloatType,
  file: OptimizerFile,
): Promise<readonly string[]> | null {
  if (each.kind === "ema") return checkAverage(each, dtype);
  if (each.kind === "optimum-only") return checkOptimum(each, dtype);
  const make = optimizers[each.op];
  if (!make) return null;
  const problem = problemOf(file, each.problem, dtype);
  if (each.kind === "optimiser") return checkTrajectory(each, dtype, problem, joint(make(optionsOf(each.config!))));
  if (each.kind !== "optimiser-groups") return null;
  const groups = each.groups!.map(({ params, ...options }) => ({ params, optimizer: make(optionsOf(options)) }));
  return checkTrajectory(each, dtype, problem, separate(groups));
}

/** How parameters and a state of any kind are updated. */
interface Stepper {
  readonly init: (params: Named) => unknown;
  readonly update: (gradient: Named, state: unknown, params: Named) => readonly [Named, unknown];
}

const joint = (optimizer: Optimizer): Stepper => ({
  init: (params) => optimizer.init(params),
  update: (gradient, state, params) => optimizer.update(gradient, state as ReturnType<Optimizer["init"]>, params),
});

/** Each group of parameters has its own optimizer. */
function separate(groups: readonly { readonly params: readonly string[]; readonly optimizer: Optimizer }[]): Stepper {
  const part = (all: Named, names: readonly string[]): Named =>
    Object.fromEntries(names.map((name) => [name, all[name]!]));
  return {
    init: (params) => groups.map(({ optimizer, params: names }) => optimizer.init(part(params, names))),
    update: (gradient, states, params) => {
      const updated = groups.map(({ optimizer, params: names }, i) =>
        optimizer.update(part(gradient, names), (states as ReturnType<Optimizer["init"]>[])[i]!, part(params, names)),
      );
      return [Object.assign({}, ...updated.map(([next]) => next)) as Named, updated.map(([, state]) => state)];
    },
  };
}

async function checkTrajectory(
  each: OptimizerCase,
  dtype: FloatType,
  { start, loss, gradient }: Problem,
  stepper: Stepper,
): Promise<readonly string[]> {
  const checks = new Checks(each.tol!, dtype);
  const follow = compile((params: Named, state: unknown, g: Named) => stepper.update(g, state, params));
  const descend = compile((params: Named, state: unknown) => {
    const [value, g] = valueAndGrad(loss!)(params);
    return [value, ...stepper.update(g, state, params)] as const;
  });
  let params = start;
  let state = stepper.init(start);
  for (let step = 0; step < (each.params ?? each.loss!).length; step++) {
    if (gradient) [params, state] = follow(params, state, gradient(step));
    else {
      const [value, next, nextState] = descend(params, state);
      if (each.loss) checks.add(`loss at step ${step}`, "out", value, specOf(each.loss[step]!));
      [params, state] = [next, nextState];
    }
    if (each.params) checks.add(`parameters after step ${step}`, "out", params.p, specOf(each.params[step]!));
    if (step === 0 && each.params_after_1) checks.addAll("after step 0", "out", params, each.params_after_1);
  }
  if (each.params_final) checks.addAll("at the end", "out", params, each.params_final);
  const { traces } = gradient ? follow : descend;
  if (traces !== 1) checks.fail(`traces: expected 1, got ${traces}`);
  return checks.settle();
}

function checkAverage(each: OptimizerCase, dtype: FloatType): Promise<readonly string[]> {
  const checks = new Checks(each.tol!, dtype);
  const values = toTensor(each.values!, dtype);
  let average = toTensor(each.init!, dtype);
  each.expected!.forEach((wanted, step) => {
    average = ema(average, slice(values, [step]), { decay: each.decay! });
    checks.add(`average after ${step}`, "out", average, specOf(wanted));
  });
  return checks.settle();
}

/** Rosenbrock's valley from the start of the case; it has to be reached with both line searches. */
async function checkOptimum(each: OptimizerCase, dtype: FloatType): Promise<readonly string[]> {
  const checks = new Checks(each.tol!, dtype);
  const valley = (p: Tensor): Tensor => {
    const [x, y] = [slice(p, [0]), slice(p, [1])];
    return add(square(sub(1, x)), mul(square(sub(y, square(x))), 100));
  };
  for (const lineSearch of ["strongWolfe", "backtracking"] as const) {
    const start: Tensor = tensor([...each.x0!], { dtype });
    const { params, converged, reason } = await minimize(valueAndGrad(valley), start, { lineSearch });
    if (!converged) checks.fail(`${lineSearch}: stopped by ${reason}`);
    checks.add(`parameters by ${lineSearch}`, "out", params, specOf(each.optimum!));
  }
  return checks.settle();
}
