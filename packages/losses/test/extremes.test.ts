/**
 * Functions whose textbook forms overflow, for float32 arguments up to ±10⁴: values and gradients are the float64 closed
 * forms, with no infinity and no NaN, on both backends, evaluated and compiled.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, compile, logSigmoid, logSoftmax, logsumexp, mul, ones, setDevice, sigmoid, softmax, softplus, sum, tensor,
  zeros,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { grad } from "@dormouse/autograd";
import { binaryCrossEntropy, binaryCrossEntropyWithLogits, crossEntropy } from "../src/index.ts";

const devices: Record<string, Device> = {};
beforeAll(async () => {
  devices["cpu"] = await cpu();
  devices["reference"] = await reference();
});

const sizes = [0, 1e-30, 1e-3, 1, 17, 88, 89, 104, 700, 1e4];
const points = sizes.flatMap((x) => [Math.fround(x), Math.fround(-x)]);

const sigma = (x: number): number => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const plus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** A few ulp; results that are denormal numbers may be 0. */
function expectNear(got: ArrayLike<number>, wanted: readonly number[], scale = wanted): void {
  wanted.forEach((value, i) => {
    const distance = Math.abs(got[i]! - value);
    expect(distance, `element ${i} is ${got[i]}, not ${value}`).toBeLessThanOrEqual(2 ** -126 + 1e-6 * Math.abs(scale[i]!));
  });
}

interface Elementwise {
  readonly of: (x: Tensor) => Tensor;
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}
const withLogits = (x: Tensor, target: Tensor): Tensor => binaryCrossEntropyWithLogits(x, target, { reduction: "none" });
const elementwise: Record<string, Elementwise> = {
  sigmoid: { of: sigmoid, value: sigma, slope: (x) => sigma(x) * sigma(-x) },
  softplus: { of: (x) => softplus(x), value: plus, slope: sigma },
  logSigmoid: { of: logSigmoid, value: (x) => -plus(-x), slope: (x) => sigma(-x) },
  "binary cross-entropy with logits of 0": { of: (x) => withLogits(x, zeros(x.shape)), value: plus, slope: sigma },
  "binary cross-entropy with logits of 1": {
    of: (x) => withLogits(x, ones(x.shape)), value: (x) => plus(-x), slope: (x) => -sigma(-x),
  },
};

/** All rows of three of some logits. */
const few = [0, 50, -90, 1e4, -1e4];
const rows = few.flatMap((a) => few.flatMap((b) => few.map((c) => [a, b, c] as const)));
const weights = [1, -2, 3] as const;
const shares = (row: readonly number[]): number[] => {
  const largest = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - largest));
  const total = powers.reduce((sum, x) => sum + x, 0);
  return powers.map((x) => x / total);
};
const lengthOf = (row: readonly number[]): number =>
  Math.max(...row) + Math.log(row.reduce((sum, x) => sum + Math.exp(x - Math.max(...row)), 0));

interface Rowwise {
  readonly of: (x: Tensor) => Tensor;
  /** Elements of the result for one row. */
  readonly value: (row: readonly number[]) => number[];
  /** Gradient by one row of the sum of results times `weights` (of the sum, for one result). */
  readonly slope: (row: readonly number[]) => number[];
}
const rowwise: Record<string, Rowwise> = {
  softmax: {
    of: (x) => softmax(x),
    value: shares,
    slope: (row) => {
      const p = shares(row);
      const mean = p.reduce((sum, each, i) => sum + each * weights[i]!, 0);
      return p.map((each, i) => each * (weights[i]! - mean));
    },
  },
  logSoftmax: {
    of: (x) => logSoftmax(x),
    value: (row) => row.map((x) => x - lengthOf(row)),
    slope: (row) => shares(row).map((p, i) => weights[i]! - 2 * p),
  },
  logsumexp: { of: (x) => logsumexp(x, { axis: -1 }), value: (row) => [lengthOf(row)], slope: shares },
  "cross-entropy of the middle class": {
    of: (x) => crossEntropy(x, tensor(rows.map(() => 1), { dtype: "int32" }), { reduction: "none" }),
    value: (row) => [lengthOf(row) - row[1]!],
    slope: (row) => shares(row).map((p, i) => p - Number(i === 1)),
  },
};

describe.each(["cpu", "reference"])("on %s", (device) => {
  beforeAll(() => void setDevice(devices[device]!));

  test.each(Object.entries(elementwise))("%s", async (_, { of, value, slope }) => {
    const x = tensor(Float32Array.from(points));
    const slopes = grad((z: Tensor) => sum(of(z)));
    for (const run of [(f: (z: Tensor) => Tensor) => f(x), (f: (z: Tensor) => Tensor) => compile(f)(x)]) {
      expectNear(await run(of).data(), points.map(value));
      expectNear(await run(slopes).data(), points.map(slope));
    }
  });

  test.each(Object.entries(rowwise))("%s", async (_, { of, value, slope }) => {
    const x = tensor(Float32Array.from(rows.flat()), { shape: [rows.length, 3] });
    const weighted = (y: Tensor): Tensor => (y.rank === 2 ? mul(y, tensor([...weights])) : y);
    const slopes = grad((z: Tensor) => sum(weighted(of(z))));
    for (const run of [(f: (z: Tensor) => Tensor) => f(x), (f: (z: Tensor) => Tensor) => compile(f)(x)]) {
      // Differences of large logits are rounded as large numbers.
      expectNear(await run(of).data(), rows.flatMap(value), rows.flatMap((row) => value(row).map((y) => Math.max(1, Math.abs(y)))));
      expectNear(await run(slopes).data(), rows.flatMap(slope), rows.flatMap(() => [5, 5, 5]));
    }
  });

  test("binary cross-entropy of probabilities that have become 0 and 1", async () => {
    const x = tensor(Float32Array.from(points));
    for (const t of [0, 0.25, 1]) {
      const target = tensor(points.map(() => t));
      const losses = (z: Tensor): Tensor => binaryCrossEntropy(sigmoid(z), target, { reduction: "none" });
      const got = await losses(x).data();
      const slopes = await grad((z: Tensor) => sum(losses(z)))(x).data();
      points.forEach((each, i) => {
        // Logarithms are at least -100; next to 1 a probability has few digits left, and slopes only their bound.
        const wanted = t * Math.min(plus(-each), 100) + (1 - t) * Math.min(plus(each), 100);
        if (Math.abs(each) < 16 || Math.abs(each) > 200) expect(Math.abs(got[i]! - wanted)).toBeLessThanOrEqual(1e-4 * (1 + wanted));
        expect(Number.isFinite(got[i]) && Number.isFinite(slopes[i]), `${each}: ${got[i]}, ${slopes[i]}`).toBe(true);
      });
    }
  });
});
