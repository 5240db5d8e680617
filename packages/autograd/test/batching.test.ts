/** Every row of the batching table against a loop over examples, for every choice of batched sources. */
import { describe, expect, it } from "vitest";
import { type Primitive, type Tensor, primitive, sizeOf } from "@dormouse/tensor/graph";
import { batch, batching, full } from "../src/batching.ts";
import { expectClose, interpretOne } from "@dormouse/testing";
import { cases, draw, stream } from "./primitives.ts";

const size = 3;
const rows = Object.entries(cases).flatMap(([op, list]) => list.map((each) => ({ op: op as Primitive, ...each })));

describe("batching table", () => {
  it("has a case for every row", () => {
    expect(Object.keys(cases).toSorted()).toEqual(Object.keys(batching).toSorted());
  });

  it.each(rows.filter(({ inputs }) => inputs.length > 0))("$op: $name", ({ inputs, build }) => {
    const next = stream(7);
    const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
    const y = build(...holes);
    for (let choice = 1; choice < 2 ** inputs.length; choice++) {
      const batched = inputs.map((_, k) => ((choice >> k) & 1) === 1);
      const values = inputs.map((input, k) =>
        draw(batched[k] ? { ...input, shape: [size, ...input.shape] } : input, next),
      );
      const whole = inputs.map(({ shape, dtype }, k) =>
        primitive.placeholder(batched[k] ? [size, ...shape] : shape, dtype),
      );
      const known = new Map(holes.map((hole, k) => [hole, { tensor: whole[k]!, batched: batched[k]! }]));
      const result = full(batch([y], known, size)[0]!, size);
      expect([result.shape, result.dtype]).toEqual([[size, ...y.shape], y.dtype]);

      const got = interpretOne(result, new Map<Tensor, Float64Array>(whole.map((each, k) => [each, values[k]!])));
      const wanted = Array.from({ length: size }, (_, example) => {
        const own = inputs.map(({ shape }, k) => {
          const length = sizeOf(shape);
          return batched[k] ? values[k]!.slice(example * length, (example + 1) * length) : values[k]!;
        });
        return [...interpretOne(y, new Map(holes.map((hole, k) => [hole, own[k]!])))];
      }).flat();
      expectClose(got, wanted, { relative: 1e-14, absolute: 0 }, `batched ${batched}`);
    }
  });

  it("fails a check if any example fails it", () => {
    const at = primitive.placeholder([], "int32");
    const y = primitive.check(primitive.constant(1, [], "float64"), at, (i) => new Error(`position ${i}`));
    const whole = primitive.placeholder([3], "int32");
    const [result] = batch([y], new Map([[at, { tensor: whole, batched: true }]]), 3);
    expect(() => interpretOne(result!.tensor, new Map([[whole, [-1, 4, -1]]]))).toThrow("position 4");
  });
});
