/**
 * Every row of the derivative table: the transpose is the transpose (⟨Lt, c⟩ = ⟨t, Lᵀc⟩), the map is the derivative
 * (central differences), results have the shapes and dtypes they must have.
 */
import { describe, expect, it } from "vitest";
import { type Primitive, type Tensor, isFloat, primitive } from "@dormouse/tensor/graph";
import { derivative, linearMaps } from "../src/derivative.ts";
import { pull, push, record, walks } from "../src/tape.ts";
import { expectClose, interpret, interpretOne } from "@dormouse/testing";
import { cases, draw, stream } from "./primitives.ts";

/** Primitives and sources that have no derivative although they are floats. */
const flat = new Set(["floor", "less", "lessEqual", "equal", "argmax", "argsort", "cast to integers", "identity stop"]);

const inner = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

const rows = Object.entries(cases).flatMap(([op, list]) => list.map((each) => ({ op: op as Primitive, ...each })));

describe("derivative table", () => {
  it("has a case for every row", () => {
    expect(Object.keys(cases).toSorted()).toEqual(Object.keys(derivative).toSorted());
    for (const list of Object.values(cases)) expect(list.length).toBeGreaterThan(0);
  });

  describe.each(rows)("$op: $name", ({ op, name, inputs, build, smooth = true }) => {
    const next = stream(rows.findIndex((row) => row.op === op && row.name === name) + 1);
    const holes = inputs.map(({ shape, dtype }) => primitive.placeholder(shape, dtype));
    const elements = inputs.map((input) => draw(input, next));
    const y = build(...holes);
    const maps = linearMaps(y, walks);

    it("is a node of the primitive with one entry for each source", () => {
      expect(y.op).toBe(op);
      expect(maps.length).toBe(y.sources.length);
      maps.forEach((map, k) => {
        const source = y.sources[k]!;
        const has = isFloat(y.dtype) && isFloat(source.dtype) && !flat.has(op) && !flat.has(`${op} ${name}`);
        expect(map !== null, `map of source ${k}`).toBe(has);
      });
    });

    maps.forEach((map, k) => {
      if (!map) return;
      const source = y.sources[k]!;
      const t = primitive.placeholder(source.shape, source.dtype);
      const ct = primitive.placeholder(y.shape, y.dtype);
      const tangent = draw({ shape: source.shape, dtype: "float64", low: -1, high: 1 }, next);
      const cotangent = draw({ shape: y.shape, dtype: "float64", low: -1, high: 1 }, next);
      const known = new Map<Tensor, Float64Array>([[t, tangent], [ct, cotangent]]);
      holes.forEach((hole, i) => known.set(hole, elements[i]!));
      const [applied, transposed] = [map.apply(t), map.transpose(ct)];
      const [change, pulled] = interpret([applied, transposed], known) as [Float64Array, Float64Array];

      it(`transposes the map of source ${k}`, () => {
        expect([applied.shape, applied.dtype]).toEqual([y.shape, y.dtype]);
        expect([transposed.shape, transposed.dtype]).toEqual([source.shape, source.dtype]);
        expectClose([inner(change, cotangent)], [inner(tangent, pulled)], { relative: 1e-12, absolute: 1e-13 });
      });

      it.runIf(smooth && y.sources.length === holes.length)(`can be differentiated again by source ${k}`, () => {
        // The pullback as a function of the sources, its tangent along one direction, and its own differences.
        const floats = holes.filter(({ dtype }) => isFloat(dtype));
        const gradient = pull(record([y], floats), [y], [ct]).get(holes[k]!);
        if (!gradient) return;
        const directions = new Map(floats.map((hole) => [hole, primitive.placeholder(hole.shape, hole.dtype)]));
        const second = push(record([gradient], floats), directions).get(gradient);
        const along = new Map(
          floats.map((hole) => [hole, draw({ shape: hole.shape, dtype: "float64", low: -1, high: 1 }, next)]),
        );
        const h = 1e-6;
        const at = (sign: number): Float64Array => {
          const moved = floats.map((hole): [Tensor, Float64Array] => [
            hole,
            known.get(hole)!.map((x, i) => x + sign * h * along.get(hole)![i]!),
          ]);
          return interpretOne(gradient, new Map([...known, ...moved]));
        };
        const [up, down] = [at(1), at(-1)];
        const slope = up.map((value, i) => (value - down[i]!) / (2 * h));
        const tangents = floats.map((hole): [Tensor, Float64Array] => [directions.get(hole)!, along.get(hole)!]);
        const got = second ? interpretOne(second, new Map([...known, ...tangents])) : slope.map(() => 0);
        expectClose(got, slope, { relative: 1e-6, absolute: 1e-8 });
      });

      it.runIf(smooth && y.sources.length === holes.length)(`has the slope of source ${k}`, () => {
        const h = 1e-6;
        const shifted = (sign: number): Float64Array => {
          const moved = elements[k]!.map((x, i) => x + sign * h * tangent[i]!);
          return interpretOne(y, new Map([...known, [holes[k]!, moved]]));
        };
        const [up, down] = [shifted(1), shifted(-1)];
        const slope = up.map((value, i) => (value - down[i]!) / (2 * h));
        expectClose(change, slope, { relative: 1e-7, absolute: 1e-8 });
      });
    });
  });
});
