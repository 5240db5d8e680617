/**
 * Checks of the data in compiled functions on a device that cannot be read at once: they are part of the step's own
 * program, fail with the next read, and cost no memory however late that is.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Device, primitive } from "../src/graph.ts";
import {
  NumericalWarning, type Tensor, add, compile, evaluate, less, max, mul, neg, onWarning, setDevice, sub, sum, tensor,
  where,
} from "../src/index.ts";
import { referenceWith } from "./reference-device.ts";

/** x, which fails unless all of it is below `limit`; the position is the largest element. */
const below = (x: Tensor, limit: number, name: string): Tensor => {
  const largest = primitive.cast(max(x), "int32");
  const at = where(less(largest, limit), -1, largest);
  return primitive.check(x, at, (position) => new RangeError(`${name}: ${position} is not below ${limit}`));
};

let device: Device;
beforeEach(() => {
  device = new Device(referenceWith({ syncRead: false }));
  setDevice(device);
});
afterEach(() => device[Symbol.asyncDispose]());

describe("checks of a compiled function", () => {
  test("run in its own program, also where it is given memory", async () => {
    const step = compile((w: Tensor, x: Tensor) => add(w, below(x, 10, "step")), { donate: [0] });
    let w: Tensor = tensor([1, 2]);
    w = step(w, tensor([3, 4]));
    expect(await w.array()).toEqual([4, 6]);
    const { compiled, runs } = device.statistics;
    w = step(w, tensor([5, 9]));
    expect(await w.array()).toEqual([9, 15]);
    expect(device.statistics).toMatchObject({ compiled, runs: runs + 1 });
  });

  test("fail with the next read, with what was found first, once", async () => {
    const step = compile((w: Tensor, x: Tensor) => add(w, below(x, 10, "step")), { donate: [0] });
    let w: Tensor = tensor([0]);
    for (const x of [1, 12, 3, 99, 5]) w = step(w, tensor([x]));
    await expect(w.data()).rejects.toThrow("step: 12 is not below 10");
    expect(await w.array()).toEqual([120]);
    w = step(w, tensor([6]));
    expect(await w.array()).toEqual([126]);
    step(w, tensor([77]));
    await expect(device.idle()).rejects.toThrow("step: 77 is not below 10");
    await device.idle();
  });

  test("each keep a position of their own", async () => {
    const step = compile((x: Tensor, y: Tensor) => add(below(x, 10, "left"), below(y, 20, "right")));
    step(tensor([1]), tensor([30]));
    step(tensor([11]), tensor([1]));
    await expect(device.idle()).rejects.toThrow("left: 11 is not below 10");
    step(tensor([1]), tensor([31]));
    await expect(device.idle()).rejects.toThrow("right: 31 is not below 20");
    expect(await step(tensor([1]), tensor([2])).array()).toEqual([3]);
  });

  test("take over no memory that is donated", async () => {
    const step = compile((count: Tensor, x: Tensor) => [add(count, 1), sum(below(x, 10, "step"))], { donate: [0, 1] });
    let count: Tensor = tensor(0, { dtype: "int32" });
    for (let i = 0; i < 3; i++) {
      const spare = add(tensor(i, { dtype: "int32" }), 1);
      [count] = step(count, spare) as [Tensor, Tensor];
      spare.dispose();
    }
    expect(await count.item()).toBe(3);
    [count] = step(count, tensor(11, { dtype: "int32" })) as [Tensor, Tensor];
    await expect(count.item()).rejects.toThrow("step: 11 is not below 10");
    expect(await count.item()).toBe(4);
  });

  test("of two functions are both read", async () => {
    const [one, two] = ["one", "two"].map((name) => compile((x: Tensor) => mul(below(x, 10, name), 2)));
    const first = one!(tensor([1]));
    two!(tensor([10]));
    await expect(first.data()).rejects.toThrow("two: 10 is not below 10");
    expect(await first.array()).toEqual([2]);
  });

  test("warn where they find something to warn of, and go on", async () => {
    const told: string[] = [];
    const before = onWarning(({ message }) => void told.push(message));
    const step = compile((x: Tensor) =>
      mul(primitive.check(x, primitive.cast(max(x), "int32"), (at) => new NumericalWarning("step", `found ${at}`, { hint: "look" })), 2),
    );
    expect(await step(tensor([3])).array()).toEqual([6]);
    expect(told).toEqual(["step: found 3; look"]);
    onWarning(before);
  });

  test("hold no more memory after 10 000 steps without a read than after one", async () => {
    const step = compile((w: Tensor, x: Tensor) => sub(mul(w, 0.5), below(neg(x), 10, "step")), { donate: [0] });
    let w: Tensor = tensor([1, 2, 3]);
    const x = tensor([1, 1, 1]);
    evaluate(x);
    const run = (steps: number): { readonly buffers: number; readonly bytes: number } => {
      for (let i = 0; i < steps; i++) w = step(w, x);
      const { buffers, bytes } = device.statistics;
      return { buffers, bytes };
    };
    // The second step finds x on the device.
    const early = run(2);
    expect(run(10_000)).toEqual(early);
    expect(await w.array()).toEqual([2, 2, 2]);
  });
});

test("a failing check of an evaluation is told once, and those that passed are forgotten", async () => {
  const x = tensor([1, 2]);
  for (let i = 0; i < 50; i++) evaluate(mul(below(mul(x, i + 1), 1000, "evaluate"), 2));
  await device.idle();
  const y = mul(below(mul(x, 600), 1000, "evaluate"), 2);
  await expect(y.data()).rejects.toThrow("evaluate: 1200 is not below 1000");
  expect(await y.array()).toEqual([1200, 2400]);
});
