/**
 * Cases of one op: its value, its derivatives in both modes, Hessian products by two ways, and Jacobians, each where
 * the case gives numbers. The op is a row of a table; which derivative means what is decided here.
 */
import { grad, jacfwd, jacrev, jvp, vjp } from "@dormouse/autograd";
import { type Tensor, add, mul, sum } from "@dormouse/tensor";
import type { ArraySpec, Arrays, OpCase } from "./case.ts";
import { Checks, type FloatType, toTensors } from "./checks.ts";
import { type Allowance, loosened } from "./allowances.ts";
import { type Alternatives, numbersOf } from "./compare.ts";
import { type Attributes, type Inputs, type Row, type WaitingRow, named } from "./table.ts";
import { refuseUnread, watch } from "./watch.ts";

type Named = Readonly<Record<string, Tensor>>;

/** The function of a case: its differentiated inputs move, the others are constants. */
interface Moving {
  readonly f: (moving: Named) => Named;
  readonly at: Named;
}

/** The tensors of these names. */
export const pick = (tensors: Named, names: readonly string[]): Named =>
  Object.fromEntries(names.map((name) => [name, tensors[name]!]));

/** The sum of products over all names: the inner product of two trees. */
export const inner = (a: Named, b: Named): Tensor =>
  Object.entries(b).map(([name, tensor]) => sum(mul(a[name]!, tensor))).reduce((total, part) => add(total, part));

// The cases vouch for the names; see `Inputs`.
const inputsOf = (tensors: Named): Inputs => tensors as unknown as Inputs;

/** Checks a case of an op that is a row. Throws `UnknownOption` for a case with an attribute or an input that the row does not read. */
export async function checkOp(
  row: Row | WaitingRow,
  each: OpCase,
  dtype: FloatType,
  allowance: Allowance = {},
): Promise<readonly string[]> {
  const checks = new Checks(loosened(each.tol!, allowance), dtype);
  const all = toTensors(each.in, dtype);
  const attributes = watch((each.attrs ?? {}) as Attributes);
  if (typeof row === "object") {
    const inputs = watch(inputsOf(all));
    const outputs = named(await row.waiting(inputs.object, attributes.object));
    refuseUnread(attributes, inputs);
    checks.addAll("forward", "out", outputs, each.out);
    return checks.settle();
  }
  const host = watch(Object.fromEntries(Object.entries(each.in).map(([name, spec]) => [name, numbersOf(spec)])));
  const f = (moving: Named): Named => {
    const inputs = watch(inputsOf({ ...all, ...moving }));
    const outputs = named(row(inputs.object, attributes.object, host.object));
    const unread = new Set(host.unread());
    refuseUnread(attributes, { ...inputs, unread: () => inputs.unread().filter((name) => unread.has(name)) });
    return outputs;
  };
  const others = (what: "forward" | "grad") => (name: string) =>
    allowance.alternatives && ((index: number) => allowance.alternatives!(each, what, name, index));
  checks.attempt("forward", () => checks.addAll("forward", "out", f({}), each.out, others("forward")));
  if (each.diff) addDerivatives(checks, each, { f, at: pick(all, each.diff) }, others("grad"));
  return checks.settle();
}

function addDerivatives(
  checks: Checks,
  each: OpCase,
  { f, at }: Moving,
  alternatives: (name: string) => Alternatives | undefined,
): void {
  const { grad: wanted, jvp: slopes, tan, hvp, jac } = each;
  const cotangents = toTensors(each.cot!, checks.dtype);
  const differentiable = (moving: Named): Named => pick(f(moving), Object.keys(cotangents));
  if (wanted) {
    checks.attempt("grad", () => {
      const [, pullback] = vjp(differentiable, at);
      checks.addAll("grad", "grad", pullback(cotangents)[0], wanted, alternatives);
    });
  }
  if (slopes) {
    const tangents = toTensors(tan!, checks.dtype);
    const outputs = Object.keys(slopes);
    checks.attempt("jvp", () => {
      const [, tangent] = jvp((moving: Named) => pick(f(moving), outputs), [at], [tangents]);
      checks.addAll("jvp", "product", tangent, slopes);
    });
  }
  if (hvp) addHessianProducts(checks, hvp, { f: differentiable, at }, cotangents, toTensors(tan!, checks.dtype));
  for (const [name, spec] of Object.entries(jac ?? {})) addJacobian(checks, name, spec, { f, at });
}

function addHessianProducts(
  checks: Checks,
  wanted: Arrays | "zero",
  { f, at }: Moving,
  cotangents: Named,
  tangents: Named,
): void {
  const gradient = grad((moving: Named) => inner(f(moving), cotangents));
  const add = (what: string, products: Named): void => {
    if (wanted !== "zero") return checks.addAll(what, "product", products, wanted);
    for (const [name, tensor] of Object.entries(products)) {
      const zeros: ArraySpec = { shape: tensor.shape, dtype: "float64", data: new Array<number>(tensor.size).fill(0) };
      checks.add(`${what} ${name}`, "product", tensor, zeros);
    }
  };
  checks.attempt("hvp (forward over reverse)", () => {
    const [, products] = jvp(gradient, [at], [tangents]);
    add("hvp (forward over reverse)", products);
  });
  checks.attempt("hvp (reverse over reverse)", () => {
    add("hvp (reverse over reverse)", grad((moving: Named) => inner(gradient(moving), tangents))(at));
  });
}

function addJacobian(checks: Checks, name: string, spec: ArraySpec, { f, at }: Moving): void {
  const along = (x: Tensor): Tensor => Object.values(f({ ...at, [name]: x }))[0]!;
  for (const [what, jacobian] of [["jac (reverse)", jacrev], ["jac (forward)", jacfwd]] as const) {
    checks.attempt(what, () => checks.add(`${what} ${name}`, "product", jacobian(along)(at[name]!), spec));
  }
}
