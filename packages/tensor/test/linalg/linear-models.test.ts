/** Least squares and ridge regression on real data, against other libraries' numbers. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Tensor, add, div, linalg, matmul, mul, select, slice, tensor, transpose } from "../../src/index.ts";
import { expectSame, identity, onDevices, use } from "./matrices.ts";

interface Fixture {
  readonly rows: number;
  readonly designs: Readonly<Record<"raw" | "standardized", number[][]>>;
  readonly leastSquares: readonly {
    readonly design: "raw" | "standardized";
    readonly coef: number[];
    readonly intercept: number;
    readonly mse: number;
    readonly singular_values: number[];
  }[];
  readonly ridge: readonly { readonly alpha: number; readonly coef: number[]; readonly intercept: number }[];
}

const { rows, designs, leastSquares, ridge } = JSON.parse(
  readFileSync(new URL("fixtures/diabetes.json", import.meta.url), "utf8"),
) as Fixture;

const f64 = (elements: number[] | number[][]): Tensor => tensor(elements, { dtype: "float64" });
/** Predictors, then the column of ones, and what is to be predicted. */
const examples = (design: "raw" | "standardized"): readonly [Tensor, Tensor] => {
  const table = f64(designs[design]);
  return [slice(table, [null, [0, -1]]), select(table, -1, { axis: 1 })];
};

onDevices((device) => {
  test.each(leastSquares)("least squares, $design", async ({ design, coef, intercept, mse, singular_values: values }) => {
    use(device);
    const [x, y] = examples(design);
    const found = linalg.lstsq(x, y);
    // The predictors of the raw table differ by four orders of magnitude, the condition is 7236.
    await expectSame(found.x, f64([...coef, intercept]), 1e-11);
    await expectSame(div(found.residuals, rows), tensor(mse, { dtype: "float64" }), 1e-12);
    await expectSame(found.singularValues, f64(values), 1e-13);
    expect(await found.rank.item()).toBe(11);
    expect((await linalg.cond(x).item()) / (values[0]! / values[10]!)).toBeCloseTo(1, 10);
    const { q, r } = linalg.qr(x);
    await expectSame(linalg.solveTriangular(r, matmul(transpose(q), y), { lower: false }), found.x, 1e-11);
  });

  test.each(ridge)("ridge, alpha $alpha", async ({ alpha, coef, intercept }) => {
    use(device);
    const [x, y] = examples("standardized");
    // Standardized columns are at right angles to the ones: the intercept is not penalized and stays the mean.
    const penalty = mul(identity([11, 11]), f64([...coef.map(() => alpha), 0]));
    const normal = add(matmul(transpose(x), x), penalty);
    const right = matmul(transpose(x), y);
    await expectSame(linalg.solve(normal, right), f64([...coef, intercept]), 1e-12);
    const l = linalg.cholesky(normal);
    const viaCholesky = linalg.solveTriangular(transpose(l), linalg.solveTriangular(l, right), { lower: false });
    await expectSame(viaCholesky, f64([...coef, intercept]), 1e-12);
  });
});
