/** `explain` and `evaluationTrace`: exact listings for known derivatives, and what their data says about cost. */
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, linear, logSoftmax, mean, mul, neg, oneHot, ones, setDevice, sin, square, sub,
  sum, tensor,
} from "@dormouse/tensor";
import { sizeOf } from "@dormouse/tensor/graph";
import { beforeAll, describe, expect, test } from "vitest";
import { checkpoint, evaluationTrace, explain, grad, stopGradient } from "../src/index.ts";

beforeAll(async () => {
  setDevice(await reference());
});

const f = (x: Tensor) => mul(x, sin(x));
const layer = (x: Tensor, w: Tensor, b: Tensor) => linear(x, w, b);
const crossEntropy = (z: Tensor, y: Tensor) => neg(mean(sum(mul(oneHot(y, 3), logSoftmax(z)), { axis: 1 })));
const [x, w, b] = [ones([4, 3]), ones([2, 3]), ones([2])];
const logits = tensor([[1, 2, 3], [1, 0, 0]]);
const labels = tensor([2, 0], { dtype: "int32" });
const lines = (...text: string[]): string => text.join("\n");

describe("explain", () => {
  test("x·sin x: sin(x) is computed once", () => {
    const explanation = explain(f, tensor(2));
    expect(String(explanation)).toBe(lines(
      "f(x: float32[])",
      "  v1 = sin(x)",
      "  f  = x * v1",
      "gradient",
      "  dx = v1 + x * cos(x)",
    ));
    const all = [...explanation.value, ...explanation.gradient];
    expect(all.filter(({ expression }) => expression.includes("sin(x)"))).toEqual([
      { name: "v1", shape: [], dtype: "float32", expression: "sin(x)", uses: 2 },
    ]);
  });

  test("a linear layer: two products and a sum, no tensor of rank 3", () => {
    const explanation = explain(layer, x, w, b);
    expect(String(explanation)).toBe(lines(
      "layer(x: float32[4, 3], w: float32[2, 3], b: float32[2])",
      "  layer = x @ transpose(w) + broadcast(b, [4, 2])",
      "gradient for dlayer: float32[4, 2]",
      "  dx = dlayer @ w",
      "  dw = transpose(transpose(x) @ dlayer)",
      "  db = sum(dlayer, axes [0])",
    ));
    expect(explanation.gradient.map(({ shape }) => shape)).toEqual([[4, 3], [2, 3], [2]]);
  });

  test("softmax cross-entropy: one exponential, one maximum and one logarithm for value and gradient", () => {
    const explanation = explain(crossEntropy, logits, labels);
    expect(String(explanation)).toBe(lines(
      "crossEntropy(z: float32[2, 3], y: int32[2])",
      "  v1           = broadcast(y, [2, 3], axes [0]) == broadcast(iota(), [2, 3])",
      "  v2           = float32(v1)",
      "  v3           = z - broadcast(max(z, axes [1]), [2, 3], axes [0])",
      "  v4           = exp(v3)",
      "  v5           = sum(v4, axes [1])",
      "  v6           = sum(v2 * (v3 - broadcast(log(v5), [2, 3], axes [0])), axes [1])",
      "  crossEntropy = -(sum(v6, axes [0]) / 2)",
      "gradient",
      "  v7 = -0.5 * v2",
      "  v8 = broadcast(sum(-v7, axes [1]) / v5, [2, 3], axes [0])",
      "  dz = v7 + v8 * v4",
    ));
  });

  test("names parameters, trees and what is used from outside", () => {
    const scale = tensor(3);
    const weights = tensor([1, 2]);
    const model = { weight: tensor([1, 2]), bias: tensor(0) };
    const loss = ({ weight, bias }: typeof model, other: Tensor) =>
      sum(mul(mul(add(mul(weight, other), bias), weights), scale));
    const explanation = explain(loss, model, tensor([5, 6]));
    expect(explanation.inputs.map(({ name }) => name)).toEqual(["x1.weight", "x1.bias", "x2", "c1", "3"]);
    expect(explanation.gradient.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["dx1.weight", "dx1.bias", "dx2"]),
    );
    const same = explain((p: Tensor, q: Tensor) => sum(stopGradient(mul(p, q))), tensor([1]), tensor([1]));
    expect(same.gradient.map(({ name, expression }) => `${name} = ${expression}`)).toEqual(["dp = 0", "dq = 0"]);
    const through = explain((p: Tensor) => p, tensor(1));
    expect([through.value, through.gradient].flat().map(({ expression }) => expression)).toEqual(["p", "1"]);
  });

  test("writes operators with the parentheses they need", () => {
    const expressionOf = (g: (a: Tensor, b: Tensor, c: Tensor) => Tensor): string =>
      // Without a gradient nothing is shared.
      explain((a, b, c) => stopGradient(g(a, b, c)), tensor(1), tensor(2), tensor(3)).value.at(-1)!.expression;
    expect(expressionOf((a, b, c) => sub(a, sub(b, c)))).toBe("a - (b - c)");
    expect(expressionOf((a, b, c) => mul(add(a, b), c))).toBe("(a + b) * c");
    expect(expressionOf((a, b, c) => neg(add(mul(a, b), c)))).toBe("-(a * b + c)");
    expect(expressionOf((a, b, c) => sub(mul(a, b), mul(c, 0.1)))).toBe("a * b - c * 0.1");
  });

  test("explains a gradient, and refuses what returns no tensor", () => {
    expect(explain(grad(f), tensor(2)).gradient.at(-1)!.name).toBe("dx");
    expect(() => explain(() => 3)).toThrow("explain: the function returned the number 3");
  });
});

describe("evaluationTrace", () => {
  test("x·sin x at 2, step by step", async () => {
    const trace = evaluationTrace(f, tensor(2, { dtype: "float64" }));
    expect(String(trace)).toBe(lines(
      "f",
      "  x    = argument       float64[]",
      "  v1   = sin(x)         float64[]",
      "  f    = x * v1         float64[]",
      "reverse",
      "  df   = 1              float64[]",
      "  dx   = df * v1        float64[]  not ∂f/∂x []",
      "  dv1  = df * x         float64[]  not ∂f/∂v1 []",
      "  dx   += dv1 * cos(x)  float64[]  not ∂v1/∂x []",
    ));
    const { forward, reverse } = await trace.evaluate();
    expect(forward.map(({ value }) => value)).toEqual([2, Math.sin(2), 2 * Math.sin(2)]);
    const slope = reverse.filter(({ receiver }) => receiver === "x").map(({ value }) => value as number);
    expect(slope[0]! + slope[1]!).toBeCloseTo(Math.sin(2) + 2 * Math.cos(2), 14);
  });

  test("a linear layer: the Jacobians have up to four axes, the steps never more than two", () => {
    const { forward, reverse } = evaluationTrace(layer, x, w, b);
    expect(String(evaluationTrace(layer, x, w, b))).toBe(lines(
      "layer",
      "  x       = argument              float32[4, 3]",
      "  w       = argument              float32[2, 3]",
      "  b       = argument              float32[2]",
      "  v1      = transpose(w)          float32[3, 2]",
      "  v2      = x @ v1                float32[4, 2]",
      "  v3      = broadcast(b, [4, 2])  float32[4, 2]",
      "  layer   = v2 + v3               float32[4, 2]",
      "reverse",
      "  dlayer  = 1                     float32[4, 2]",
      "  dv2     = dlayer                float32[4, 2]  not ∂layer/∂v2 [4, 2, 4, 2]",
      "  dv3     = dlayer                float32[4, 2]  not ∂layer/∂v3 [4, 2, 4, 2]",
      "  db      = sum(dv3, axes [0])    float32[2]     not ∂v3/∂b [4, 2, 2]",
      "  dx      = dv2 @ transpose(v1)   float32[4, 3]  not ∂v2/∂x [4, 2, 4, 3]",
      "  dv1     = transpose(x) @ dv2    float32[3, 2]  not ∂v2/∂v1 [4, 2, 3, 2]",
      "  dw      = transpose(dv1)        float32[2, 3]  not ∂v1/∂w [3, 2, 2, 3]",
    ));
    expect([...forward, ...reverse].filter(({ shape }) => shape.length > 2)).toEqual([]);
    const built = reverse.reduce((total, { shape }) => total + sizeOf(shape), 0);
    const avoided = reverse.reduce((total, { jacobian }) => total + (jacobian ? sizeOf(jacobian) : 0), 0);
    expect([built, avoided]).toEqual([8 + 8 + 8 + 2 + 12 + 6 + 6, 64 + 64 + 16 + 96 + 48 + 36]);
  });

  test("softmax cross-entropy: the adjoint of the logits is softmax − one-hot, over the batch", async () => {
    const trace = await evaluationTrace(crossEntropy, logits, labels).evaluate({ most: 6 });
    const adjoint = trace.reverse.filter(({ receiver }) => receiver === "z").at(-1)!;
    expect(adjoint).toMatchObject({ name: "dz", shape: [2, 3], adds: false });
    const wanted = [[1, 2, 3], [1, 0, 0]].map((row, i) => {
      const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
      return row.map((z, k) => (Math.exp(z) / total - Number(k === [2, 0][i])) / 2);
    });
    (adjoint.value as number[][]).flat().forEach((value, i) => expect(value).toBeCloseTo(wanted.flat()[i]!, 6));
    expect(String(trace)).toContain("stopGradient(");
    expect(trace.forward.filter(({ expression }) => expression.startsWith("exp("))).toHaveLength(1);
  });

  test("shows values on request, shortest in their dtype", async () => {
    const trace = await evaluationTrace((p: Tensor) => sum(mul(p, 0.1)), tensor([1, 2])).evaluate();
    expect(String(trace)).toContain("[0.1, 0.2]");
    const large = await evaluationTrace((p: Tensor) => sum(p), ones([5])).evaluate();
    expect([large.forward[0]!.value, large.forward[1]!.value]).toEqual([undefined, 5]);
  });

  test("a call is one step, whose adjoint goes through its body", () => {
    const f = (p: Tensor) => sum(checkpoint((q: Tensor) => square(q))(p));
    const { forward, reverse } = evaluationTrace(f, ones([2]));
    expect(forward.map(({ expression }) => expression)).toEqual(["argument", "checkpoint(p)", "sum(v1, axes [0])"]);
    expect(reverse.at(-1)).toMatchObject({ name: "dp", jacobian: [2, 2] });
  });
});
