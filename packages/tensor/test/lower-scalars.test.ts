/** Scalar kernels that do not need each other are one kernel: starting one costs more than what it computes. */
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, add, cast, compile, cumsum, div, mul, pow, setDevice, sqrt, sub, sum, tensor } from "@dormouse/tensor";
import { type Program, lower, topologicalOrder } from "@dormouse/tensor/graph";
import { beforeAll, expect, test } from "vitest";

beforeAll(async () => void setDevice(await reference()));

const programOf = (outputs: readonly Tensor[], maxBindings = 0): Program => {
  const inputs = topologicalOrder(outputs, ({ storage }) => storage !== null).filter(({ storage }) => storage);
  return lower({ inputs, outputs }, { key: "scalars", maxBindings }).program;
};

/** Adam's corrections and its count, from the count before. */
const corrections = (count: Tensor<[]>): Tensor[] => {
  const next = add(cast(count, "float32"), 1);
  return [0.9, 0.999].map((beta) => div(1, sub(1, pow(beta, next)))).concat(add(count, 1));
};

test("three scalars of one count are one kernel, with the values they had", async () => {
  const count = tensor(2, { dtype: "int32" });
  expect(programOf(corrections(count)).steps).toHaveLength(1);
  const step = compile((n: Tensor<[]>) => corrections(n), { donate: [0] });
  const [first, second, next] = await Promise.all(step(tensor(2, { dtype: "int32" })).map((x) => x.item()));
  expect(first).toBeCloseTo(1 / (1 - 0.9 ** 3), 5);
  expect(second! * (1 - 0.999 ** 3)).toBeCloseTo(1, 3);
  expect(next).toBe(3);
});

test("scalars without a common input join too, as long as a kernel has room for their buffers", () => {
  const scalars = (): Tensor[] => [1, 2, 3, 4].map((x) => sqrt(tensor(x)));
  expect(programOf(scalars()).steps).toHaveLength(1);
  expect(programOf(scalars(), 5).steps).toHaveLength(2);
});

test("a scalar stays behind the kernel whose result it needs", async () => {
  const x = tensor([1, 2, 3]);
  const scale = tensor(2);
  // The root of the scale comes before the running sum, which nothing joins, the root of the total after it.
  const graph = (): Tensor[] => {
    const root = sqrt(scale);
    const total: Tensor = sum(cumsum(mul(x, root)));
    return [root, total, sqrt(total)];
  };
  const { steps } = programOf(graph());
  expect(steps.length).toBeGreaterThan(1);
  const [root, total, last] = await Promise.all(graph().map((each) => each.item()));
  expect(root).toBeCloseTo(Math.SQRT2, 6);
  expect(total).toBeCloseTo(10 * Math.SQRT2, 5);
  expect(last).toBeCloseTo(Math.sqrt(10 * Math.SQRT2), 6);
});
