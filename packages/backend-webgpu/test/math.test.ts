/**
 * Functions on the GPU against JavaScript's float64: the largest error in units in the last place over each domain, and
 * the specials that C prescribes.
 */
import type { Scalar, ScalarOp } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { affine, apply, argument, constant, execute, load, mapKernel, singleKernel, values } from "../../backend-cpu/test/support.ts";
import { erf } from "../../backend-cpu/src/reference-math.ts";
import { backend, describeOnGpu } from "./gpu.ts";

type Domain = readonly [low: number, high: number] | "wide" | "positive" | "turns";

/** The function, its largest error in ulp, and where it is interesting. */
const functions: readonly (readonly [ScalarOp, (x: number) => number, number, readonly Domain[]])[] = [
  ["exp", Math.exp, 2, [[-87, 88.7], [-1, 1]]],
  ["expm1", Math.expm1, 3, [[-1, 1], [-20, 88.7], "wide"]],
  ["log", Math.log, 3, [[0.5, 2], [0, 100], "positive"]],
  ["log1p", Math.log1p, 3, [[-0.999, 1], [0, 100], "positive", [-1, -0.99]]],
  ["sin", Math.sin, 3, [[-10, 10], [-1600, 1600], [-2e6, 2e6], [-0.8, 0.8], "wide", "turns"]],
  ["cos", Math.cos, 3, [[-10, 10], [-1600, 1600], [-2e6, 2e6], [-0.8, 0.8], "wide", "turns"]],
  ["tanh", Math.tanh, 4, [[-2, 2], [-25, 25], "wide"]],
  ["atan", Math.atan, 3, [[-3, 3], [-100, 100], "wide"]],
  ["erf", erf, 3, [[-1, 1], [-6, 6]]],
  ["sqrt", Math.sqrt, 2, ["positive"]],
];

const COUNT = 1 << 15;

function sample(domain: Domain, seed: number): Float32Array {
  const [first, second] = [values(COUNT, seed), values(COUNT, seed + 1)];
  return first.map((raw, i) => {
    const [u, v] = [(raw + 2) / 4, (second[i]! + 2) / 4];
    if (typeof domain === "object") return domain[0] + (domain[1] - domain[0]) * u;
    if (domain === "turns") return Math.floor(2 ** (21 * u)) * (Math.PI / 2);
    // Subnormal numbers may be flushed to 0 on a GPU, and so are their functions.
    const size = (1 + u) * 2 ** Math.floor(-125 + 252 * v);
    return domain === "wide" && raw < 0 ? -size : size;
  });
}

/** The distance of two neighbors around a number, as float32 has them. */
const ulpOf = (x: number): number => 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x)))) - 23);

async function compute(op: ScalarOp, ...inputs: readonly Float32Array[]): Promise<ArrayLike<number>> {
  const { length } = inputs[0]!;
  const args = [...inputs.map(() => argument(length)), argument(length, "write")];
  const body = apply(op, inputs.map((_, i) => load(i, affine([1]))));
  const [result] = await execute(backend, singleKernel(mapKernel(args, [length], body)), inputs);
  return result!;
}

/** The largest error in ulp, and where. */
function worst(got: ArrayLike<number>, x: ArrayLike<number>, exact: (i: number) => number): { ulps: number; at: number; got: number; wanted: number } {
  let most = { ulps: 0, at: NaN, got: NaN, wanted: NaN };
  for (let i = 0; i < got.length; i++) {
    const wanted = exact(i);
    if (Math.abs(wanted) < 2 ** -126 || Math.abs(wanted) > 3.4e38) continue;
    const ulps = Math.abs(got[i]! - wanted) / ulpOf(wanted);
    if (!(ulps <= most.ulps)) most = { ulps, at: x[i]!, got: got[i]!, wanted };
  }
  return most;
}

/** DORMOUSE_ULPS=1 prints what docs/numerics.md says. */
function report(what: string, { ulps, at }: { readonly ulps: number; readonly at: number }): void {
  if (process.env["DORMOUSE_ULPS"]) console.log(`ULPS ${what}: ${ulps.toFixed(2)} at ${at}`);
}

describeOnGpu("functions", () => {
  test.each(functions.flatMap(([op, f, most, domains]) => domains.map((domain) => [op, domain, f, most] as const)))(
    "%s on %s",
    async (op, domain, f, most) => {
      const x = sample(domain, 7);
      const found = worst(await compute(op, x), x, (i) => f(x[i]!));
      report(`${op} on ${domain}`, found);
      expect(found.ulps, JSON.stringify(found)).toBeLessThan(most);
    },
  );

  test.each([[[0, 4], [-40, 40]], [[0.5, 2], [-120, 120]], [[0.999, 1.001], [-60000, 60000]], ["positive", [-1.5, 1.5]]] as const)(
    "pow on %s and %s",
    async (bases, exponents) => {
      const [x, y] = [sample(bases, 3), sample(exponents, 11)];
      const found = worst(await compute("pow", x, y), x, (i) => Math.pow(x[i]!, y[i]!));
      report(`pow on ${bases} and ${exponents}`, found);
      expect(found.ulps, JSON.stringify(found)).toBeLessThan(3);
    },
  );

  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  test.each<[ScalarOp, number[], number[]]>([
    ["exp", [nan, inf, -inf, 0, -0, 89, -104], [nan, inf, 0, 1, 1, inf, 0]],
    ["expm1", [nan, inf, -inf, 0, -0, 89], [nan, inf, -1, 0, -0, inf]],
    ["log", [nan, inf, -inf, 0, -0, -1, 1], [nan, inf, nan, -inf, -inf, nan, 0]],
    ["log1p", [nan, inf, -inf, 0, -0, -1, -2], [nan, inf, nan, 0, -0, -inf, nan]],
    ["sin", [nan, inf, -inf, 0, -0], [nan, nan, nan, 0, -0]],
    ["cos", [nan, inf, -inf, 0, -0], [nan, nan, nan, 1, 1]],
    ["tanh", [nan, inf, -inf, 0, -0], [nan, 1, -1, 0, -0]],
    ["atan", [nan, inf, -inf, 0, -0], [nan, Math.fround(Math.PI / 2), -Math.fround(Math.PI / 2), 0, -0]],
    ["erf", [nan, inf, -inf, 0, -0], [nan, 1, -1, 0, -0]],
    ["sqrt", [nan, inf, -inf, 0, -0, -1, 4], [nan, inf, nan, 0, -0, nan, 2]],
    ["floor", [nan, inf, -inf, -0, -1.5, 1.5, 8388609], [nan, inf, -inf, -0, -2, 1, 8388609]],
    ["round", [nan, inf, -inf, -0, -1.5, 0.5, 2.5, 8388609], [nan, inf, -inf, -0, -2, 0, 2, 8388609]],
    ["abs", [nan, inf, -inf, -0, -1.5], [nan, inf, inf, 0, 1.5]],
    ["neg", [nan, inf, -inf, -0, 0, -1.5], [nan, -inf, inf, 0, -0, 1.5]],
  ])("specials of %s", async (op, x, wanted) => {
    expect(Array.from(await compute(op, Float32Array.from(x)))).toEqual(wanted);
  });

  const grid = [nan, inf, -inf, 0, -0, 1, -1, 2, -3, 0.5, -2.5];
  const x = grid.flatMap((each) => grid.map(() => each));
  const y = grid.flatMap(() => grid);
  /** C's pow: 1 to any power is 1, and (−1)^±∞ is 1. */
  const power = (a: number, b: number): number => (a === 1 || (a === -1 && Math.abs(b) === inf) ? 1 : a ** b);
  test.each<[ScalarOp, (a: number, b: number) => number]>([
    ["add", (a, b) => a + b],
    ["sub", (a, b) => a - b],
    ["mul", (a, b) => a * b],
    ["div", (a, b) => a / b],
    ["max", Math.max],
    ["min", Math.min],
    ["pow", power],
  ])("specials of %s", async (op, f) => {
    const got = Array.from(await compute(op, Float32Array.from(x), Float32Array.from(y)));
    const wrong = got.flatMap((value, i) => {
      const wanted = Math.fround(f(x[i]!, y[i]!));
      return Object.is(value, wanted) || Math.abs(value - wanted) <= 2 ** -22 * Math.abs(wanted) && value !== 0 ? [] : [`${x[i]} ${op} ${y[i]} is ${value}, not ${wanted}`];
    });
    expect(wrong).toEqual([]);
  });

  test("NaN and infinities survive what looks constant: x·0, x·(-0), x - x, x + (-x), x/x, 0/x", async () => {
    const [it, zero, minus] = [load(0, affine([1])), constant(0), constant(-0)];
    const bodies: [Scalar, number][] = [
      [apply("mul", [it, zero]), 0], [apply("mul", [minus, it]), 0], [apply("sub", [it, it]), 0],
      [apply("add", [it, apply("neg", [it])]), 0], [apply("add", [apply("neg", [it]), it]), 0],
      [apply("div", [it, it]), 1], [apply("mul", [apply("div", [zero, it]), constant(3)]), 0],
    ];
    for (const [body, wanted] of bodies) {
      const program = singleKernel(mapKernel([argument(4), argument(4, "write")], [4], body));
      const [got] = await execute(backend, program, [Float32Array.of(nan, inf, -inf, 5)]);
      const ofInfinity = JSON.stringify(body).includes('"value":3') ? 0 : nan;
      expect(Array.from(got!, Math.abs), JSON.stringify(body)).toEqual([nan, ofInfinity, ofInfinity, wanted]);
    }
  });

  test.each<[ScalarOp, (a: number, b: number) => boolean]>([
    ["less", (a, b) => a < b],
    ["lessEqual", (a, b) => a <= b],
    ["equal", (a, b) => a === b],
  ])("%s of everything with everything", async (op, f) => {
    const args = [argument(x.length), argument(x.length), argument(x.length, "write", "bool")];
    const body = apply(op, [load(0, affine([1])), load(1, affine([1]))], "bool");
    const [got] = await execute(backend, singleKernel(mapKernel(args, [x.length], body)), [Float32Array.from(x), Float32Array.from(y)]);
    expect(Array.from(got!)).toEqual(x.map((each, i) => Number(f(each, y[i]!))));
  });
});
