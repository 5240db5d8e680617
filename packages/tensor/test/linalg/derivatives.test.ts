/** Derivatives of `linalg` in float64: against central differences, in both modes, and once more. */
import { type CheckOptions, checkGrads, grad, hessian, jvp, vmap } from "@dormouse/autograd";
import { describe, expect, test } from "vitest";
import { type Tensor, add, exp, linalg, log, matmul, mul, select, square, stack, sum, tensor, transpose } from "../../src/index.ts";
import { expectSame, identity, onDevices, positive, random, use } from "./matrices.ts";

const regular = (...shape: number[]): Tensor => add(random(shape), mul(identity(shape), 3));
/** Something that does not depend on the signs of the columns. */
const products = (x: Tensor): Tensor => matmul(mul(x, tensor([1, 2, 3], { dtype: "float64" })), transpose(x));

const cases: Record<string, readonly [f: (...args: Tensor[]) => unknown, args: readonly Tensor[]]> = {
  "solve, a vector": [linalg.solve, [regular(3, 3), random([3])]],
  "solve, a batch that broadcasts": [linalg.solve, [regular(2, 1, 3, 3), random([2, 3, 2])]],
  "solve, swapped rows": [(a, b) => linalg.solve(matmul(tensor([[0, 0, 1], [1, 0, 0], [0, 1, 0]], { dtype: "float64" }), a!), b!), [regular(3, 3), random([3, 2])]],
  "solveTriangular, lower": [(a, b) => linalg.solveTriangular(a!, b!), [regular(2, 3, 3), random([3])]],
  "solveTriangular, upper, unit": [(a, b) => linalg.solveTriangular(a!, b!, { lower: false, unitDiagonal: true }), [random([3, 3]), random([3, 2])]],
  inv: [linalg.inv, [regular(2, 3, 3)]],
  det: [linalg.det, [random([2, 4, 4])]],
  slogdet: [(a) => linalg.slogdet(a!).logAbsDet, [regular(2, 3, 3)]],
  cholesky: [linalg.cholesky, [positive([2, 4, 4])]],
  lu: [(a) => [linalg.lu(a!).l, linalg.lu(a!).u], [regular(2, 3, 3)]],
  qr: [(a) => Object.values(linalg.qr(a!)), [random([2, 5, 3])]],
  "qr, wide": [(a) => Object.values(linalg.qr(a!)), [random([3, 5])]],
  "eigh, values": [(a) => linalg.eigh(a!).values, [random([2, 4, 4])]],
  "eigh, vectors": [(a) => products(linalg.eigh(a!).vectors), [random([3, 3])]],
  "svd, values": [(a) => linalg.svd(a!).s, [random([2, 4, 3])]],
  "svd, left vectors": [(a) => products(linalg.svd(a!).u), [random([5, 3])]],
  "svd, right vectors": [(a) => products(transpose(linalg.svd(a!).vt)), [random([3, 5])]],
  singularValues: [linalg.singularValues, [random([2, 3, 4])]],
  "lstsq, tall": [(a, b) => linalg.lstsq(a!, b!).x, [random([2, 5, 3]), random([5, 2])]],
  "lstsq, wide": [(a, b) => linalg.lstsq(a!, b!).x, [random([3, 5]), random([3])]],
  "lstsq, residuals": [(a, b) => linalg.lstsq(a!, b!).residuals, [random([5, 3]), random([5, 2])]],
  pinv: [(a) => linalg.pinv(a!), [random([4, 3])]],
  "pinv of products of rank 2": [(a, b) => linalg.pinv(matmul(a!, b!), { rcond: 1e-6 }), [random([4, 2]), random([2, 5])]],
  "matrixNorm nuc": [(a) => linalg.matrixNorm(a!, { p: "nuc" }), [random([4, 3])]],
  "matrixNorm 2": [(a) => linalg.matrixNorm(a!, { p: 2 }), [random([4, 3])]],
  "matrixNorm fro": [(a) => linalg.matrixNorm(a!), [random([2, 4, 3])]],
  "matrixNorm 1": [(a) => linalg.matrixNorm(a!, { p: 1 }), [random([4, 3])]],
  "matrixNorm Infinity": [(a) => linalg.matrixNorm(a!, { p: Infinity }), [random([4, 3])]],
  cond: [(a) => linalg.cond(a!), [regular(3, 3)]],
  "cond 1": [(a) => linalg.cond(a!, { p: 1 }), [regular(3, 3)]],
  matrixPower: [(a) => linalg.matrixPower(a!, -3), [regular(3, 3)]],
  trace: [linalg.trace, [random([2, 3, 4])]],
};

/** Sums of the results with unequal weights, so that no part hides behind another. */
const weighted = (result: unknown): Tensor =>
  [result].flat().map((each, k) => sum(mul(exp(mul(each as Tensor, 0.1)), k + 1))).reduce((a, b) => add(a, b));

// The rules are graphs, the same on every device.
describe("rules", () => {
  const device = "cpu";
  const options: CheckOptions = { relative: 1e-6, absolute: 1e-7 };
  test.each(Object.keys(cases))("%s", async (name) => {
    use(device);
    const [f, args] = cases[name]!;
    const value = (...given: Tensor[]): Tensor => weighted(f(...given));
    await checkGrads(value as (...given: readonly unknown[]) => Tensor, args, options);
  });

  test.each(["solve, a vector", "inv", "det", "slogdet", "cholesky", "eigh, values", "lstsq, tall", "qr", "singularValues"])(
    "%s, second derivative",
    async (name) => {
      use(device);
      const [f, args] = cases[name]!;
      const gradient = (...given: Tensor[]): Tensor => {
        const first = grad((x: Tensor) => weighted(f(x, ...given.slice(1))))(given[0]!);
        return sum(mul(first, random(first.shape, "float64", 11)));
      };
      await checkGrads(gradient as (...given: readonly unknown[]) => Tensor, args, { relative: 1e-5, absolute: 1e-6 });
    },
  );

});

onDevices((device) => {
  test("closed forms", async () => {
    use(device);
    const a = regular(3, 3);
    const t = random([3, 3], "float64", 8);
    const inverse = linalg.inv(a);
    await expectSame(grad((x: Tensor) => linalg.slogdet(x).logAbsDet)(a), transpose(inverse), 1e-14);
    await expectSame(grad(linalg.det)(a), mul(transpose(inverse), linalg.det(a)), 1e-13);
    await expectSame(jvp(linalg.inv, [a], [t])[1], mul(matmul(matmul(inverse, t), inverse), -1), 1e-14);
    // Of ‖x·a‖² / 2 by x: the Hessian of a quadratic through a solution.
    const b = random([3]);
    const quadratic = (x: Tensor): Tensor => mul(sum(square(linalg.solve(a, x))), 0.5);
    await expectSame(hessian(quadratic)(b) as Tensor, matmul(transpose(inverse), inverse), 1e-14);
  });

  test("equal values have derivatives, their vectors have none", async () => {
    use(device);
    const twice = mul(identity([3, 3]), 2);
    await expectSame(grad((x: Tensor) => sum(linalg.eigh(x).values))(twice), identity([3, 3]), 1e-15);
    await expectSame(grad((x: Tensor) => linalg.matrixNorm(x, { p: "nuc" }))(twice), identity([3, 3]), 1e-15);
    // log det through eigenvalues, at equal ones.
    await expectSame(grad((x: Tensor) => sum(log(linalg.eigh(x).values)))(twice), mul(identity([3, 3]), 0.5), 1e-15);
    const first = grad((x: Tensor) => sum(mul(linalg.eigh(x).vectors, random([3, 3]))))(twice);
    expect((await first.data()).some(Number.isFinite)).toBe(false);
  });

  test("vmap maps over matrices", async () => {
    use(device);
    const [a, b] = [regular(4, 3, 3), random([4, 3])];
    const single = stack([0, 1, 2, 3].map((i) => linalg.solve(select(a, i), select(b, i))));
    await expectSame(vmap(linalg.solve)(a, b), single, 1e-14);
    await expectSame(vmap(grad((m: Tensor) => linalg.det(m)))(a), grad((m: Tensor) => sum(linalg.det(m)))(a), 1e-13);
    await expectSame(vmap((m: Tensor) => linalg.eigh(m).values)(a), linalg.eigh(a).values, 1e-14);
    await expect(vmap(linalg.inv)(mul(a, 0)).data()).rejects.toThrow("linalg.inv: the matrix is singular at pivot");
  });
});
