/**
 * Functions that are made of several operations, in units in the last place on both backends: what the errors of the
 * parts add up to. And sines of all sizes, which the backends reduce in different ways.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { type Tensor, cos, logSigmoid, setDevice, sigmoid, sin, softplus, tensor } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { cpu } from "../src/index.ts";
import { reference } from "../src/reference.ts";
import { type Exact, exact, ulps } from "./wasm/exact.ts";
import { random } from "./wasm/kernel-support.ts";

const devices: Record<string, Device> = {};
beforeAll(async () => {
  devices["cpu"] = await cpu();
  devices["reference"] = await reference();
});

const negated = ({ mantissa, exponent }: Exact): Exact => ({ mantissa: -mantissa, exponent });

/** A function, its exact values, the intervals that are sampled and the largest error in ulp. */
interface Row {
  readonly of: (x: Tensor) => Tensor;
  readonly exactly: (x: number) => Exact;
  readonly between: readonly [low: number, high: number][];
  readonly limit: number;
  /** Arguments are at least so many times the bits of the format. */
  readonly floor?: number;
}

const rows: Record<string, Row> = {
  // One operation each: the reference reduces large angles with functions of JavaScript.
  sin: { of: sin, exactly: exact.sin, between: [[-10, 10], [-3e6, 3e6], [-3e38, 3e38]], limit: 2 },
  cos: { of: cos, exactly: exact.cos, between: [[-10, 10], [-3e6, 3e6], [-3e38, 3e38]], limit: 2 },
  // Below -88.7, -709.7 in float64, e^-x is infinite and sigmoid 0, where it should be a denormal number.
  sigmoid: { of: sigmoid, exactly: exact.sigmoid, between: [[-1, 1], [-20, 20], [-1000, 100]], limit: 2.5, floor: -2.75 },
  softplus: { of: (x) => softplus(x), exactly: exact.softplus, between: [[-1, 1], [-20, 20], [-1000, 1000]], limit: 2.5 },
  logSigmoid: {
    of: logSigmoid, exactly: (x) => negated(exact.softplus(-x)), between: [[-1, 1], [-20, 20], [-1000, 1000]], limit: 2.5,
  },
};

function sample({ between, floor = -Infinity }: Row, bits: 32 | 64, count: number): number[] {
  const next = random(bits);
  const round = bits === 32 ? Math.fround : (x: number): number => x;
  return Array.from({ length: count }, (_, i) => {
    const [low, high] = between[i % between.length]!;
    const from = Math.max(low, floor * bits);
    return round(from + (high - from) * next());
  });
}

describe.each(["cpu", "reference"])("largest error in ulp on %s", (device) => {
  beforeAll(() => void setDevice(devices[device]!));

  describe.each([32, 64] as const)("float%i", (bits) => {
    test.each(Object.entries(rows))("%s", async (name, row) => {
      const xs = sample(row, bits, 6000);
      const array = bits === 32 ? Float32Array.from(xs) : Float64Array.from(xs);
      const got = await row.of(tensor(array)).data();
      let worst = { ulp: 0, at: 0 };
      xs.forEach((x, i) => {
        const ulp = ulps(got[i]!, row.exactly(x), bits);
        if (!(ulp <= worst.ulp)) worst = { ulp, at: x };
      });
      if (process.env["DORMOUSE_ULPS"]) console.log(`${name} ${device} ${bits} ${worst.ulp.toFixed(3)} at ${worst.at}`);
      expect(worst.ulp, `at ${worst.at}`).toBeLessThanOrEqual(row.limit);
    });
  });
});
