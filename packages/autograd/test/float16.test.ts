/**
 * Half precision in every primitive that takes it: the value and the derivatives in both modes, on both backends,
 * against the same functions of the same numbers in float64.
 */
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, exp, mul, setDevice, softmax, sum, tensor, variance } from "@dormouse/tensor";
import { type Primitive, isFloat, roundTo } from "@dormouse/tensor/graph";
import { expectClose } from "@dormouse/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { grad, jvp, vjp, vmap } from "../src/index.ts";
import { type Case, type Input, cases, draw, stream } from "./primitives.ts";

/** Cases with float64 constants of their own, and the primitives that refuse half precision. */
const others: ReadonlySet<string> = new Set<Primitive>([
  "constant", "buffer", "placeholder", "iota", "random", "cast", "factor", "triangularSolve", "call",
]);
const rows = Object.entries(cases)
  .filter(([op]) => !others.has(op))
  .flatMap(([op, list]) => list.map((each) => [`${op}: ${each.name}`, each] as const));

/** One unit in the last place; sums of float32 leave their own error beside zero. */
const value = { relative: 2 ** -10, absolute: 2 ** -20 };
/** A derivative is a few operations, and its factors are stored. */
const slope = { relative: 2 ** -9, absolute: 2 ** -12 };

const isHalf = ({ dtype }: Input): boolean => dtype === "float64";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

/** The inputs of a case in half precision and, of the same numbers, in float64. */
function inputsOf({ inputs }: Case, seed: number): Record<"float16" | "float64", Tensor[]> {
  const next = stream(seed);
  const elements = inputs.map((input) => draw(input, next).map((x) => (isHalf(input) ? roundTo("float16", x) : x)));
  const as = (dtype: "float16" | "float64") =>
    inputs.map((input, i) =>
      tensor(Array.from(elements[i]!), { shape: input.shape, dtype: isHalf(input) ? dtype : input.dtype }),
    );
  return { float16: as("float16"), float64: as("float64") };
}

describe.each([["reference", reference], ["cpu", () => cpu({ threads: 2 })]] as const)("on %s", (_, device) => {
  beforeAll(async () => void setDevice(await device()));

  test.each(rows)("%s", async (name, row) => {
    const { float16, float64 } = inputsOf(row, name.length);
    const [y, exact] = [row.build(...float16), row.build(...float64)];
    expect(y.dtype).toBe(isFloat(exact.dtype) && float16.some(({ dtype }) => dtype === "float16") ? "float16" : exact.dtype);
    expectClose(await numbers(y), await numbers(exact), value, "value");
    if (row.smooth === false || y.dtype !== "float16") return;

    const next = stream(7);
    const like = (x: Tensor): readonly [Tensor, Tensor] => {
      const data = Array.from({ length: x.size }, () => roundTo("float16", 2 * next() - 1));
      const of = (dtype: "float16" | "float64") =>
        tensor(data, { shape: x.shape, dtype: isFloat(x.dtype) ? dtype : x.dtype });
      return isFloat(x.dtype) ? [of("float16"), of("float64")] : [x, x];
    };
    const tangents = float16.map(like);
    const cotangent = like(y);
    const build = (...xs: Tensor[]): Tensor => row.build(...xs);
    const change = jvp(build, float16, tangents.map(([half]) => half))[1];
    const wanted = jvp(build, float64, tangents.map(([, double]) => double))[1];
    expect(change.dtype).toBe("float16");
    expectClose(await numbers(change), await numbers(wanted), slope, "jvp");
    const pulled = vjp(build, ...float16)[1](cotangent[0]);
    const exactly = vjp(build, ...float64)[1](cotangent[1]);
    for (const [k, x] of pulled.entries()) {
      expect(x.dtype).toBe(float16[k]!.dtype);
      expectClose(await numbers(x), await numbers(exactly[k]!), slope, `vjp of input ${k}`);
    }
  });

  test("a gradient through reductions whose steps overflow float16", async () => {
    const data = Array.from({ length: 300 }, (_, i) => 300 + (i % 7));
    const gradientIn = async (dtype: "float16" | "float64") =>
      numbers(grad((x: Tensor) => variance(x))(tensor(data, { dtype })));
    expectClose(await gradientIn("float16"), await gradientIn("float64"), { relative: 2 ** -9, absolute: 2 ** -20 });
  });

  test("a batched softmax and its gradient, by vmap", async () => {
    const data = Array.from({ length: 21 }, (_, i) => roundTo("float16", Math.sin(i) * 8));
    const compute = async (dtype: "float16" | "float64") => {
      const x = tensor(data, { shape: [3, 7], dtype });
      const weights = tensor(data.slice(0, 7), { dtype });
      return numbers(vmap(grad((row: Tensor) => sum(mul(softmax(row), exp(mul(weights, 0.1))))))(x));
    };
    expectClose(await compute("float16"), await compute("float64"), { relative: 2 ** -8, absolute: 2 ** -10 });
  });
});
