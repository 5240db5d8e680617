/**
 * Cases of functions rather than ops (`higher-order`): gradients, Hessians and third derivatives of scalar functions,
 * Jacobians of vector functions, a loss made of a gradient, and a stopped gradient.
 */
import { grad, hessian, hvp, jacfwd, jacrev, jvp, stopGradient, vjp } from "@dormouse/autograd";
import {
  type Tensor, abs, add, conv1d, cos, cumprod, div, erf, exp, linear, logSoftmax, log1p, logsumexp, matmul, maximum,
  mean, mul, neg, oneHot, pow, sin, slice, softmax, sqrt, square, stack, sub, sum, tanh, tensor,
} from "@dormouse/tensor";
import type { ArraySpec, Arrays, Case, OpCase } from "./case.ts";
import { Checks, type FloatType, toTensor, toTensors } from "./checks.ts";
import { checkOp, inner, pick } from "./op-case.ts";
import type { Attributes, Inputs } from "./table.ts";
import { refuseUnread, watch } from "./watch.ts";

type Named = Readonly<Record<string, Tensor>>;
type Activation = (x: Tensor) => Tensor;
type Composite = (inputs: Inputs, attributes: Attributes) => Tensor;

interface HigherOrderCase extends Case {
  readonly attrs?: Readonly<Record<string, unknown>>;
  readonly in: Arrays;
  readonly out: Arrays;
  readonly diff?: readonly string[];
  readonly grad?: Arrays;
  readonly hess?: Readonly<Record<string, Arrays>>;
  readonly third?: Arrays;
  readonly jac?: Arrays;
  readonly v?: Arrays;
  readonly jvp?: Arrays;
  readonly hvp?: Arrays;
  readonly u?: ArraySpec;
  readonly vjp?: Arrays;
}

const perceptron =
  (activation: Activation): Composite =>
  ({ x, w1, b1, w2, b2 }, { target }) => {
    const logits = linear(activation(linear(x, w1, b1)), w2, b2);
    const wanted = oneHot(tensor([...target], { dtype: "int32" }), 2, { dtype: x.dtype });
    return neg(mean(sum(mul(wanted, logSoftmax(logits, { axis: 1 })), { axis: 1 })));
  };
const softplus: Activation = (x) => add(maximum(x, 0), log1p(exp(neg(abs(x)))));
const gelu: Activation = (x) => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));

/** The functions, as the cases' `expr` spells them. */
const functions: Readonly<Record<string, Composite>> = {
  rosenbrock: ({ x }) => {
    const [head, tail] = [slice(x, [[0, -1]]), slice(x, [[1]])];
    return sum(add(mul(100, square(sub(tail, square(head)))), square(sub(1, head))));
  },
  sin_product: ({ x, y }) => sum(sin(mul(x, y))),
  logsumexp: ({ x }) => logsumexp(x),
  quadratic_form: ({ x, A }) => mul(0.5, sum(mul(x, matmul(A, x)))),
  tanh_sum: ({ x }) => sum(pow(tanh(x), 3)),
  exp_sin_chain: ({ x }) => sum(mul(exp(sin(x)), cos(square(x)))),
  division: ({ a, b }) => sum(div(a, add(square(b), 1))),
  norm: ({ x }) => sqrt(sum(square(x))),
  mlp_tanh_ce: perceptron(tanh),
  mlp_softplus_ce: perceptron(softplus),
  mlp_gelu_ce: perceptron(gelu),
  softmax: ({ x }) => softmax(x),
  polar: ({ r, t }) => stack([mul(r, cos(t)), mul(r, sin(t))]),
  matvec_tanh: ({ A, x }) => tanh(matmul(A, x)),
  cumprod: ({ x }) => cumprod(x),
  layer_norm: ({ x }) => {
    const centered = sub(x, mean(x));
    return div(centered, sqrt(add(mean(square(centered)), 1e-5)));
  },
  conv1d_tanh: ({ x, w }) => tanh(conv1d(x, w)),
};

/** Checks a case, or returns null where its kind or function is unknown. */
export function checkHigherOrder(each: HigherOrderCase, dtype: FloatType): Promise<readonly string[]> | null {
  if (each.op === "stop_gradient") {
    return checkOp(({ x }) => sum(add(mul(stopGradient(x), x), square(x))), each as OpCase, dtype);
  }
  const checks = new Checks(each.tol!, dtype);
  if (each.kind === "gradient-penalty") addPenalty(checks, each);
  else {
    const composite = functions[each.op];
    const add = each.kind === "scalar" ? addScalar : each.kind === "jacobian" ? addVector : null;
    if (!composite || !add) return null;
    const all = toTensors(each.in, dtype);
    const attributes = watch((each.attrs ?? {}) as Attributes);
    const f = (moving: Named): Tensor => {
      const inputs = watch({ ...all, ...moving } as unknown as Inputs);
      const value = composite(inputs.object, attributes.object);
      refuseUnread(attributes, inputs);
      return value;
    };
    checks.attempt("value", () => checks.add("value", "out", f({}), each.out.y!));
    add(checks, each, f, pick(all, each.diff!));
  }
  return checks.settle();
}

function addScalar(checks: Checks, each: HigherOrderCase, f: (moving: Named) => Tensor, at: Named): void {
  const v = toTensors(each.v!, checks.dtype);
  const along = (z: Named): Tensor => jvp(f, [z], [v])[1];
  checks.attempt("grad", () => checks.addAll("grad", "grad", grad(f)(at), each.grad!));
  checks.attempt("jvp", () => checks.add("jvp", "product", along(at), each.jvp!.y!));
  const products: readonly (readonly [string, () => Named])[] = [
    ["hvp (forward over reverse)", () => hvp(f, [at], [v])[0]],
    ["hvp (reverse over forward)", () => grad(along)(at)],
    ["hvp (reverse over reverse)", () => grad((z: Named) => inner(grad(f)(z), v))(at)],
  ];
  for (const [what, build] of products) {
    checks.attempt(what, () => checks.addAll(what, "product", build(), each.hvp!));
  }
  checks.attempt("hessian", () => {
    const rows = hessian(f)(at) as Readonly<Record<string, Named>>;
    for (const [name, row] of Object.entries(each.hess!)) checks.addAll(`hessian ${name}`, "product", rows[name]!, row);
  });
  if (!each.third) return;
  checks.attempt("third derivative", () => {
    const curvature = (z: Named): Tensor => inner(hvp(f, [z], [v])[0], v);
    checks.addAll("third derivative", "product", grad(curvature)(at), each.third!);
  });
}

function addVector(checks: Checks, each: HigherOrderCase, f: (moving: Named) => Tensor, at: Named): void {
  const v = toTensors(each.v!, checks.dtype);
  checks.attempt("jac (forward)", () => checks.addAll("jac (forward)", "product", jacfwd(f)(at) as Named, each.jac!));
  checks.attempt("jac (reverse)", () => checks.addAll("jac (reverse)", "product", jacrev(f)(at) as Named, each.jac!));
  checks.attempt("jvp", () => checks.add("jvp", "product", jvp(f, [at], [v])[1], each.jvp!.y!));
  checks.attempt("vjp", () => {
    const [, pullback] = vjp(f, at);
    checks.addAll("vjp", "product", pullback(toTensor(each.u!, checks.dtype))[0], each.vjp!);
  });
}

function addPenalty(checks: Checks, each: HigherOrderCase): void {
  const { x, ...weights } = toTensors(each.in, checks.dtype);
  const network = (z: Tensor, { w1, b1, w2 }: Named): Tensor => sum(linear(tanh(linear(z, w1!, b1!)), w2!));
  const slopes = (w: Named): Tensor => grad((z: Tensor) => network(z, w))(x!);
  const penalty = (w: Named): Tensor => mean(square(sub(sqrt(sum(square(slopes(w)), { axis: 1 })), 1)));
  checks.attempt("penalty", () => {
    checks.add("gradient by x", "out", slopes(weights), each.out.gx!);
    checks.add("penalty", "out", penalty(weights), each.out.penalty!);
    checks.addAll("grad of the penalty", "grad", grad(penalty)(weights), each.grad!);
  });
}
