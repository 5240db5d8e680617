import { describe, expect, test } from "vitest";
import { Random, inspectTable, readCsv, tableOf } from "../src/index.ts";

const random = new Random(5);
const rows = Array.from({ length: 400 }, (_, i) => {
  const [size, noise] = [random.normal() * 3 + 10, random.normal()];
  const kind = random.uniform() < 0.3 ? "a" : random.uniform() < 0.95 ? "b" : "c";
  return {
    id: 1000 + i, size: size.toFixed(4), copy: size.toFixed(4), price: (2 * size + noise).toFixed(4), taxed: (1.19 * (2 * size + noise)).toFixed(4),
    kind, code: { a: 7, b: 11, c: 13 }[kind], gap: i % 3 === 0 ? i % 7 : null, flag: i === 17 ? "odd" : "usual", always: "x",
    weight: i % 50 === 0 ? "~5" : String(i % 19), day: `2024-01-${String((i % 28) + 1).padStart(2, "0")}`,
  };
});
const table = tableOf(rows);
const found = (target?: string) =>
  inspectTable(table, target === undefined ? {} : { target }).issues.map(({ kind, columns }) => `${kind}: ${columns.join(", ")}`);

describe("inspectTable", () => {
  test("finds what is planted, and nothing else", () => {
    const always = ["set aside: id", "mostly missing: gap", "almost constant: flag", "set aside: always", "almost numbers: weight", "set aside: day", "same columns: size, copy"];
    expect(found().sort()).toEqual([...always].sort());
    expect(found("price").sort()).toEqual([...always, "leak: taxed"].sort());
    expect(found("kind").sort()).toEqual([...always, "leak: code"].sort());
    expect(found("code").sort()).toEqual([...always, "leak: kind"].sort());
  });

  test("summarizes columns: counts, and numbers by hand", () => {
    const { columns, rows: count } = inspectTable(readCsv("n;c\n1,5;a\n2,5;b\nNA;a\n6;a\n"));
    expect(count).toBe(4);
    expect(columns).toMatchObject([
      { name: "n", type: "number", missing: 1, distinct: 3, numbers: { min: 1.5, median: 2.5, max: 6, mean: 10 / 3 } },
      { name: "c", type: "binary", missing: 0, distinct: 2, numbers: null, frequent: [{ value: "a", count: 3 }, { value: "b", count: 1 }] },
    ]);
    // Variance of 1.5, 2.5, 6 with mean 10/3: (121 + 25 + 256) / 36 / 3.
    expect(columns[0]!.numbers!.deviation).toBeCloseTo(Math.sqrt(402 / 108), 12);
  });

  test.each([
    ["few rows", 49, 1],
    ["few rows", 50, 0],
  ])("%s: %i rows", (kind, count, times) => {
    const small = tableOf(Array.from({ length: count }, (_, i) => ({ x: (i * i) % 37, y: (i * 5) % 31 })));
    expect(inspectTable(small).issues.filter((issue) => issue.kind === kind)).toHaveLength(times);
  });

  test.each([
    [0.11, false],
    [0.09, true],
  ])("imbalance: a class of %d of the rows", (share, isFound) => {
    const skewed = tableOf(Array.from({ length: 400 }, (_, i) => ({ x: (i * 7) % 101, y: i < 400 * share ? "no" : "yes" })));
    expect(inspectTable(skewed, { target: "y" }).issues.some(({ kind }) => kind === "imbalance")).toBe(isFound);
  });

  test("classes of fewer than ten rows are named with their counts", () => {
    const few = tableOf(Array.from({ length: 100 }, (_, i) => ({ x: (i * 7) % 101, y: i < 9 ? "p" : i < 19 ? "q" : "r" })));
    const { issues } = inspectTable(few, { target: "y" });
    expect(issues.find(({ kind }) => kind === "rare class")!.message).toBe('y has classes of fewer than 10 rows: "p" (9)');
  });

  test("counts rows that repeat inputs, and those that contradict", () => {
    const repeated = tableOf(Array.from({ length: 60 }, (_, i) => ({ x: i % 50, z: (i * 3) % 25, y: i < 55 ? i % 2 : 1 - (i % 2) })));
    const message = (target?: string) =>
      inspectTable(repeated.subset(Array.from({ length: 60 }, (_, i) => i)), target === undefined ? {} : { target }).issues.find(({ kind }) => kind === "same rows")?.message;
    expect(message("y")).toMatch(/^10 rows repeat the inputs of an earlier row, 5 of them with another y:/);
  });

  test("a column that says when the target is missing, or numbers that fall as the target rises, leak", () => {
    const falling = tableOf(Array.from({ length: 200 }, (_, i) => ({ x: -(((i * 37) % 211) ** 3) || null, late: i % 2 ? "1" : null, y: (i * 37) % 211, z: i % 2 ? "p" : "q" })));
    const kinds = (target: string) => inspectTable(falling, { target }).issues.filter(({ kind }) => kind === "leak").map(({ columns }) => columns[0]);
    expect(kinds("y")).toEqual(["x"]);
    expect(kinds("z")).toEqual([]);
    const gaps = tableOf(Array.from({ length: 200 }, (_, i) => ({ x: i % 2 ? String((i * 37) % 211) : null, z: i % 2 ? "p" : "q" })));
    expect(inspectTable(gaps, { target: "z" }).issues.filter(({ kind }) => kind === "leak").map(({ columns }) => columns[0])).toEqual(["x"]);
  });

  test("chance is no leak: many levels, few rows", () => {
    const many = tableOf(Array.from({ length: 200 }, (_, i) => ({ x: `level ${(i * 7) % 99}`, y: new Random(3, i).below(2) ? "p" : "q" })));
    expect(inspectTable(many, { target: "y" }).issues.filter(({ kind }) => kind === "leak")).toEqual([]);
    const few = tableOf(Array.from({ length: 20 }, (_, i) => ({ x: i % 2, y: i % 2 ? "p" : "q" })));
    expect(inspectTable(few, { target: "y" }).issues.filter(({ kind }) => kind === "leak")).toEqual([]);
  });

  test("numbers that are dressed up are told, with one of them", () => {
    const dressed = tableOf(Array.from({ length: 80 }, (_, i) => ({ a: `$${i * 31}`, b: `1.${100 + i},5`, c: `${i} %`, d: `${i} cm`, e: i })));
    const { issues } = inspectTable(dressed);
    expect(issues.filter(({ kind }) => kind === "almost numbers").map(({ columns }) => columns[0])).toEqual(["a", "b", "c"]);
    expect(issues.find(({ columns, kind }) => columns[0] === "a" && kind === "almost numbers")!.message).toContain('as "$0"');
  });

  test("the most frequent values come first, equal ones in order", () => {
    const values = "c b a b a d e f g a h b".split(" ");
    const { frequent, distinct } = inspectTable(tableOf(values.map((x) => ({ x })))).columns[0]!;
    expect(distinct).toBe(8);
    expect(frequent.map(({ value, count }) => `${value}${count}`)).toEqual(["b3", "a3", "c1", "d1", "e1"]);
  });

  test("a target that cannot be learned is an error", () => {
    expect(() => inspectTable(table, { target: "always" })).toThrow(/only the value "x"/);
    expect(() => inspectTable(table, { target: "none" })).toThrow(/there is no column "none"/);
  });
});
