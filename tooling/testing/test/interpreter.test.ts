/** The interpreter against values computed by hand and by others: an oracle needs a ground of its own. */
import { describe, expect, it } from "vitest";
import { type Tensor, primitive } from "@dormouse/tensor/graph";
import { expectClose } from "../src/close.ts";
import { interpretOne } from "../src/interpreter.ts";

const hole = (shape: number[], dtype: Tensor["dtype"] = "float64") => primitive.placeholder(shape, dtype);

const rows: readonly [name: string, input: readonly number[], graph: (x: Tensor) => Tensor, output: readonly number[], dtype?: Tensor["dtype"]][] = [
  ["erf", [0, 0.5, -1, 2, 3.5, Infinity], primitive.erf, [0, 0.5204998778130465, -0.8427007929497149, 0.9953222650189527, 0.9999992569016276, 1]],
  ["permute", [1, 2, 3, 4, 5, 6], (x) => primitive.permute(primitive.reshape(x, [2, 3]), [1, 0]), [1, 4, 2, 5, 3, 6]],
  ["slice backwards", [1, 2, 3, 4, 5], (x) => primitive.slice(x, [4], [-2], [3]), [5, 3, 1]],
  ["pad", [1, 2], (x) => primitive.pad(x, [1], [2], [1], 9), [9, 1, 9, 2, 9, 9]],
  ["window", [1, 2, 3, 4, 5], (x) => primitive.window(x, [2], [1], [3]), [1, 4, 2, 5]],
  ["fold", [1, 2, 3, 4], (x) => primitive.fold(primitive.reshape(x, [2, 2]), [2], [1], [1], [4]), [1, 5, 4, 0]],
  ["concat", [1, 2, 3], (x) => primitive.concat([x, x], 0), [1, 2, 3, 1, 2, 3]],
  ["cumsum", [1, 2, 3], (x) => primitive.cumsum(x, 0, true), [6, 5, 3]],
  ["argmax with NaN", [1, NaN, 3, NaN], (x) => primitive.argmax(x, 0), [1]],
  ["argsort descending", [2, NaN, 3, 2], (x) => primitive.argsort(x, 0, true), [1, 2, 0, 3]],
  ["reduce max with NaN", [1, NaN], (x) => primitive.reduce(x, "max", [0]), [NaN]],
  ["int32 product wraps", [65537, -3], (x) => primitive.mul(x, x), [131073, 9], "int32"],
  ["int32 division", [7, -7, 0], (x) => primitive.div(x, primitive.constant(2, [3], "int32")), [3, -3, 0], "int32"],
  ["cast saturates", [1e10, -1e10, NaN, -1.9], (x) => primitive.cast(x, "int32"), [2147483647, -2147483648, 0, -1]],
];

describe("interpreter", () => {
  it.each(rows)("%s", (_, input, graph, output, dtype) => {
    const x = hole([input.length], dtype);
    const got = interpretOne(graph(x), new Map([[x, input]]));
    expectClose(got, output, { relative: 1e-15 });
  });

  it("draws Threefry-2x32-20 known answers", () => {
    // Random123 1.14, kat_vectors: xor of the two words of each line.
    const key = hole([2], "uint32");
    const bits = (words: number[], stream: number) =>
      interpretOne(primitive.random(key, [1], stream), new Map([[key, words]]))[0];
    expect(bits([0, 0], 0)).toBe((0x6b200159 ^ 0x99ba4efe) >>> 0);
  });

  it("clamps gathered and drops scattered rows outside", () => {
    const x = hole([3]);
    const index = hole([4], "int32");
    const known = new Map([[x, [1, 2, 3]], [index, [-1, 0, 2, 7]]]);
    expect([...interpretOne(primitive.gather(x, index), known)]).toEqual([1, 1, 3, 3]);
    const updates = hole([4]);
    const scattered = primitive.scatterAdd(updates, index, 3);
    expect([...interpretOne(scattered, new Map([...known, [updates, [1, 2, 3, 4]]]))]).toEqual([2, 0, 3]);
  });
});
