/** Labels are checked wherever a loss is computed: inside checkpointed functions, compiled, mapped and differentiated. */
import { beforeAll, expect, test } from "vitest";
import { checkpoint, grad, valueAndGrad, vmap } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, add, compile, setDevice, stack, tensor, treeLeaves } from "@dormouse/tensor";
import { crossEntropy } from "../src/index.ts";

beforeAll(async () => setDevice(await cpu({ threads: 1 })));

const logits = (): Tensor => tensor([[1, 2, 3], [0, -1, 1]]);
/** Labels that are known only when they are computed. */
const labels = (...values: number[]): Tensor => add(tensor(values, { dtype: "int32" }), 0);
const loss = (x: Tensor, y: Tensor): Tensor => crossEntropy(x, y);
const read = (tree: unknown): number[] => treeLeaves(tree).flatMap((leaf) => [...leaf.dataSync()].map(Number));

const wrapped: readonly (readonly [string, (x: Tensor, y: Tensor) => unknown])[] = [
  ["plain", loss],
  ["checkpoint", checkpoint(loss)],
  ["grad of checkpoint", (x, y) => grad((z: Tensor) => checkpoint(loss)(z, y))(x)],
  ["valueAndGrad of checkpoint", (x, y) => valueAndGrad((z: Tensor) => checkpoint(loss)(z, y))(x)],
  ["vmap of checkpoint", (x, y) => vmap(checkpoint(loss))(stack([x, x]), stack([y, y]))],
];

test.each(wrapped)("a bad label is refused: %s", (_, f) => {
  expect(read(f(logits(), labels(2, 0))).every(Number.isFinite)).toBe(true);
  expect(() => read(f(logits(), labels(2, 3)))).toThrow("crossEntropy: label 3 at row 1 is not below the 3 classes");
  for (const donate of [[], [0]]) {
    const compiled = compile(f, { donate });
    expect(read(compiled(logits(), labels(1, 1)))).toEqual(read(f(logits(), labels(1, 1))));
    expect(() => read(compiled(logits(), labels(3, 1)))).toThrow("crossEntropy: label 3 at row 0");
    expect(compiled.traces).toBe(1);
  }
});
