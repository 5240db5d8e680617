/** Every public operation on half precision: near its result in float64, or an error that names float32. */
import { vjp } from "@dormouse/autograd";
import { reference } from "@dormouse/backend-cpu/reference";
import { DTypeError, type Tensor, setDevice, tensor, treeLeaves } from "@dormouse/tensor";
import { isFloat, roundTo } from "@dormouse/tensor/graph";
import { expectClose, randomSource } from "@dormouse/testing";
import { beforeAll, expect, test } from "vitest";
import { type Input, examples, variants } from "../src/examples.ts";

beforeAll(async () => void setDevice(await reference()));

type Precision = "float16" | "float64";

/** What solves systems of equations or factorizes, for which float16 has too few digits. */
const refuses = new Set(Object.keys({ ...examples, ...variants }).filter((name) => name.startsWith("linalg.")));

/** Operations of several roundings, each at its worst: elements are a few units, and so are slopes. */
const tolerance = { relative: 2 ** -8, absolute: 2 ** -9 };

const random = randomSource(7);
const draw = ({ shape, dtype, low, high }: Input): number[] =>
  Array.from({ length: shape.reduce((product, length) => product * length, 1) }, () => {
    const x = low + (high - low) * random.next();
    return dtype === "float64" ? roundTo("float16", x) : Math.floor(x);
  });

test.each(Object.entries({ ...examples, ...variants }))("%s", async (name, { inputs, call }) => {
  const elements = inputs.map(draw);
  const given = (precision: Precision): Tensor[] =>
    inputs.map(({ shape, dtype }, k) =>
      tensor(dtype === "bool" ? elements[k]!.map(Boolean) : elements[k]!, {
        shape,
        dtype: dtype === "float64" ? precision : dtype,
      }),
    );
  const [half, double] = [given("float16"), given("float64")];
  const exact = treeLeaves(call(...double));
  let results: Tensor[];
  try {
    results = treeLeaves(call(...half));
  } catch (error) {
    expect(refuses).toContain(name);
    expect(error).toBeInstanceOf(DTypeError);
    expect((error as Error).message).toMatch(/float16.*cast it to float32 first/);
    return;
  }
  expect(results.map(({ shape }) => shape)).toEqual(exact.map(({ shape }) => shape));
  for (const [i, result] of results.entries()) {
    const follows = exact[i]!.dtype === "float64" && half.some(({ dtype }) => dtype === "float16");
    expect(result.dtype).toBe(follows ? "float16" : exact[i]!.dtype);
    expectClose(Array.from(await result.data()), Array.from(await exact[i]!.data()), tolerance, `result ${i}`);
  }
  const floats = half.flatMap(({ dtype }, k) => (dtype === "float16" ? [k] : []));
  const outputs = (all: readonly Tensor[]) => (...moving: Tensor[]): Tensor[] => {
    const given = all.map((x, k) => (floats.includes(k) ? moving[floats.indexOf(k)]! : x));
    return treeLeaves(call(...given)).filter(({ dtype }) => isFloat(dtype));
  };
  if (floats.length === 0 || !results.some(({ dtype }) => isFloat(dtype))) return;
  const pulled = (all: readonly Tensor[]): Tensor[] => {
    const [ys, pull] = vjp(outputs(all), ...floats.map((k) => all[k]!));
    const weights = ({ size }: Tensor): number[] => Array.from({ length: size }, (_, i) => 0.5 + (i % 5) / 4);
    return pull(ys.map((y) => tensor(weights(y), { shape: y.shape, dtype: y.dtype })));
  };
  const [got, wanted] = [pulled(half), pulled(double)];
  for (const [i, gradient] of got.entries()) {
    expect(gradient.dtype).toBe("float16");
    expectClose(Array.from(await gradient.data()), Array.from(await wanted[i]!.data()), tolerance, `gradient ${i}`);
  }
});
