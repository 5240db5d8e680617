/** Axes and lines of charts, whatever the values are. */
import { describe, expect, it } from "vitest";
import { chart, dots, line, rangeOf, rounded, ticks } from "../src/report/chart.ts";

describe("axes", () => {
  it.each([
    [{ low: 0, high: 1 }, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [{ low: 0.26, high: 0.36 }, [0.26, 0.28, 0.3, 0.32, 0.34, 0.36]],
    [{ low: -7, high: 93 }, [0, 20, 40, 60, 80]],
    [{ low: 1, high: 2 }, [1, 1.2, 1.4, 1.6, 1.8, 2]],
  ])("have round numbers: %j", (range, expected) => {
    expect(ticks(range)).toEqual(expected);
  });

  it.each([
    [{ low: 0.151, high: 0.4337 }, { low: 0.1, high: 0.5 }],
    [{ low: 0, high: 1 }, { low: 0, high: 1 }],
    [{ low: 13, high: 97 }, { low: 0, high: 100 }],
  ])("are closed by ticks: %j", (range, expected) => {
    const found = rounded(range);
    expect(found.low).toBeCloseTo(expected.low, 9);
    expect(found.high).toBeCloseTo(expected.high, 9);
    expect(ticks(found)[0]).toBeCloseTo(expected.low, 9);
    expect(ticks(found).at(-1)).toBeCloseTo(expected.high, 9);
  });

  it.each([
    [[], { low: 0, high: 1 }],
    [[NaN, Infinity], { low: 0, high: 1 }],
    [[3], { low: 1.5, high: 4.5 }],
    [[0, 0], { low: -0.5, high: 0.5 }],
    [[2, NaN, 5, -Infinity], { low: 2, high: 5 }],
  ])("span the finite ones of %j", (values, expected) => {
    expect(rangeOf(values)).toEqual(expected);
  });
});

describe("lines", () => {
  const frame = { x: (value: number) => value * 100, y: (value: number) => 100 - value * 100 };

  it("have gaps where a value is not finite", () => {
    expect(line(frame, [0, 1, 2, 3, 4], [0, 1, NaN, 1, 0], "a")).toContain('d="M0 100L100 0M300 0L400 100"');
  });

  it("leave out points that nobody can tell apart, but not the last", () => {
    const x = Array.from({ length: 10_001 }, (_, i) => i / 10_000);
    const path = line(frame, x, x, "a");
    expect(path.length).toBeLessThan(3_000);
    expect(path).toMatch(/d="M0 100L.*L100 0"/);
  });

  it.each([[[1e-300, 2e-300]], [[-1e308, 1e308]], [[1e15, 1e15 + 1]], [[NaN]], [[]], [[Infinity, 1]], [[0]]])("make no chart fail: %j", (values) => {
    const x = values.map((_, i) => i);
    const drawn = chart({ x: "x", y: "y", description: "a <test>" }, rangeOf(x), rounded(rangeOf(values)), (inside) =>
      line(inside, x, values, "a") + dots(inside, values.map((y, i) => ({ x: i, y, title: "t" }))));
    expect(drawn).toMatch(/^<figure><svg .*<\/svg><\/figure>\n$/s);
    expect(drawn).toContain("a &lt;test&gt;");
    expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
  });
});
