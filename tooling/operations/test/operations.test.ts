/** `docs/operations.md` against the library: what it says is measured again, and must hold. */
import { stopGradient } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { type Tensor, add, mul, setDevice, sin } from "@dormouse/tensor";
import { primitive } from "@dormouse/tensor/graph";
import { beforeAll, expect, test } from "vitest";
import { type Operations, describeOperations } from "../src/document.ts";
import { examples, variants } from "../src/examples.ts";
import { measure } from "../src/measure.ts";

let operations: Operations;
beforeAll(async () => {
  setDevice(await reference());
  operations = await describeOperations();
}, 60_000);

test("docs/operations.md is up to date; `npm run docs:operations` writes it", async () => {
  await expect(operations.text).toMatchFileSnapshot("../../../docs/operations.md");
});

test("every operation on tensors has an example, and every example an operation", () => {
  expect([operations.withoutExample, operations.unknownExamples]).toEqual([[], []]);
});

test("the transforms agree on every operation", () => {
  const wrong = [...operations.measured].filter(
    ([, { modesAgree, slopeAgrees, vmapIsLoop, derivativesBatch }]) =>
      [modesAgree, slopeAgrees, vmapIsLoop, derivativesBatch].includes(false),
  );
  expect(wrong).toEqual([]);
});

const withTies = [
  "abs", "argmax", "argmin", "argsort", "clamp", "cummax", "cummin", "max", "maxPool1d", "maxPool2d", "maximum", "median",
  "min", "minimum", "quantile", "relu", "sort", "topK",
];

test.each(withTies)("the transforms agree on %s of equal elements", async (name) => {
  const { modesAgree, vmapIsLoop, derivativesBatch } = await measure(examples[name]!, { ties: true });
  expect([modesAgree, vmapIsLoop, derivativesBatch]).not.toContain(false);
});

test.each(Object.keys(variants))("the transforms agree on %s", async (name) => {
  const { modesAgree, slopeAgrees, vmapIsLoop, derivativesBatch } = await measure(variants[name]!);
  expect([modesAgree, slopeAgrees, vmapIsLoop, derivativesBatch]).not.toContain(false);
});

const { inputs } = examples["sin"]!;

test("a derivative that is not that of the values is seen", async () => {
  const half = (x: Tensor): Tensor => mul(sin(x), 0.5);
  const { modesAgree, slopeAgrees } = await measure({ inputs, call: (x) => add(half(x!), stopGradient(half(x!))) });
  expect([modesAgree, slopeAgrees]).toEqual([true, false]);
});

test("modes that are not transposes of each other are seen", async () => {
  const call = (x: Tensor): Tensor => {
    const hole = primitive.placeholder(x.shape, x.dtype);
    const maps = { apply: (t: Tensor): Tensor => mul(t, 2), transpose: (ct: Tensor): Tensor => mul(ct, 3) };
    return primitive.call([x], { name: "crooked", body: { inputs: [hole], output: mul(hole, 2) }, rule: () => [maps] });
  };
  const { modesAgree, slopeAgrees } = await measure({ inputs, call: (x) => call(x!) });
  expect([modesAgree, slopeAgrees]).toEqual([false, true]);
});

test("a result that is another one in a loop is seen", async () => {
  let calls = 0;
  const { vmapIsLoop, derivativesBatch } = await measure({ inputs, call: (x) => mul(x!, ++calls) });
  expect([vmapIsLoop, derivativesBatch]).toEqual([false, false]);
});

test("a tensor that no derivative reaches is seen", async () => {
  const both = [...inputs, ...inputs];
  const found = await measure({ inputs: both, call: (x, y) => add(stopGradient(x!), y!) });
  expect(found.arguments.map(({ differentiable }) => differentiable)).toEqual([false, true]);
});
