/**
 * Every case that comes with the repository, on every backend: one test for each group (on software GPUs, of some). And the comparison itself: a
 * wrong number, shape, dtype or index has to fail. DORMOUSE_DATA names the folder of data sets that some cases need.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { reference } from "@dormouse/backend-cpu/reference";
import { setDevice } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type ArraySpec, type CaseFile, type OpCase, FORMAT, readCases } from "../src/case.ts";
import { runCommand } from "../src/command.ts";
import { compareArray, worstMismatch } from "../src/compare.ts";
import { readInterop } from "../src/interop.ts";
import { runSuite } from "../src/suite.ts";
import { describeOnGpu, device as gpu } from "../../../packages/backend-webgpu/test/gpu.ts";

const folder = fileURLToPath(new URL("../cases", import.meta.url));
const files = [...readCases(folder), ...readInterop(folder)];
const groups = files.map(({ group }) => group);

const data = env.DORMOUSE_DATA;
/** What needs a folder of data sets. Anything else that is skipped fails the test. */
const skipped: Readonly<Record<string, readonly string[]>> = data ? {} : {
  "train-digits": [
    "mlp_relu_sgd", "mlp_tanh_adam", "mlp_gelu_adamw_cosine", "mlp_batchnorm_sgd", "cnn_adam", "softmax_regression_sgd",
  ],
  calibration: ["real_network"],
  "linear-models": [
    "least_squares", "ridge", "lasso", "elastic_net", "logistic_regression", "softmax_regression", "pca",
  ],
};

for (const [name, make] of [["reference", reference], ["cpu", cpu]] as const) {
  describe(`on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await make();
      setDevice(device);
    });
    afterAll(async () => {
      setDevice(null);
      await device[Symbol.asyncDispose]();
    });

    test.each(groups)("%s", async (group) => {
      const report = await runSuite(files, { group, data });
      expect(report.failures.map(({ case: id, dtype, message }) => `${id}: ${dtype} ${message}`)).toEqual([]);
      expect(report.unknown[group] ?? []).toEqual(skipped[group] ?? []);
    }, 180_000);
  });
}

/** Groups that between them meet every kind of kernel; all of them take minutes on software: DORMOUSE_WEBGPU=all. */
const onGpu = ["ops-unary", "ops-matmul", "ops-linalg", "ops-conv", "ops-pool", "ops-index", "ops-sort", "ops-softmax", "init-rng"];

describeOnGpu("the conformance suite", () => {
  beforeAll(() => void setDevice(gpu));
  afterAll(() => void setDevice(null));

  test.each(process.env["DORMOUSE_WEBGPU"] === "all" ? groups : onGpu)("%s", async (group) => {
    const report = await runSuite(files, { group, supported: gpu!.backend.capabilities.dtypes });
    expect(report.failures.map(({ case: id, dtype, message }) => `${id}: ${dtype} ${message}`)).toEqual([]);
    const unexplained = (report.unknown[group] ?? []).filter((name) => !name.endsWith("(float64 is not supported)"));
    expect(unexplained).toEqual((skipped[group] ?? []).filter((name) => unexplained.includes(name)));
  }, 300_000);
});

const vector = (...data: NonNullable<ArraySpec["data"]>): ArraySpec => ({ shape: [data.length], dtype: "float64", data });
const got = (...data: number[]) => ({ shape: [data.length], data });
const loose = { rtol: 1e-3, atol: 1e-6 };

describe("comparison", () => {
  test.each([
    ["equal", [1, -2, 0], [1, -2, 0], null],
    ["within rtol", [1000.9, 1, 1], [1000, 1, 1], null],
    ["outside rtol", [1001.1, 1, 1], [1000, 1, 1], 0],
    ["within atol", [9e-7, 0, 0], [0, 0, 0], null],
    ["outside atol", [2e-6, 0, 0], [0, 0, 0], 0],
    ["the worst", [2, 9, 3], [1, 1, 1], 1],
    ["NaN for NaN", [NaN, 1, 1], [NaN, 1, 1], null],
    ["NaN for a number", [1, NaN, 1], [1, 1, 1], 1],
    ["a number for NaN", [1, 1, 1], [1, 1, NaN], 2],
    ["infinities", [Infinity, -Infinity, 1], [Infinity, -Infinity, 1], null],
    ["the wrong infinity", [Infinity, 1, 1], [-Infinity, 1, 1], 0],
    ["infinity for a number", [1, Infinity, 1], [1, 1e308, 1], 1],
    ["zeros of either sign", [-0, 0, 0], [0, -0, 0], null],
  ])("%s", (_, values, wanted, index) => {
    expect(worstMismatch(values, wanted, loose)?.index ?? null).toBe(index);
  });

  test("names the element and both values", () => {
    const want: ArraySpec = { shape: [2, 2], dtype: "float64", data: [1, 2, 3, 4] };
    const message = compareArray("grad x", { shape: [2, 2], data: [1, 2, 3.5, 4] }, want, loose, "float64");
    expect(message).toBe("grad x[1, 0]: expected 3, got 3.5");
  });

  test("a shape has to be the same", () => {
    expect(compareArray("y", got(1, 2), vector(1, 2, 3), loose, "float64")).toBe("y shape: expected [3], got [2]");
    expect(compareArray("y", { shape: [1, 2], data: [1, 2] }, vector(1, 2), loose, "float64")).toContain("shape");
  });

  test("an overflow of float32 is expected in float32 only", () => {
    expect(compareArray("y", got(Infinity), vector(1e39), loose, "float32")).toBeNull();
    expect(compareArray("y", got(Infinity), vector(1e39), loose, "float64")).toBe("y[0]: expected 1e+39, got Infinity");
    expect(compareArray("y", got(NaN), vector("NaN"), loose, "float32")).toBeNull();
  });

  test("an alternative is as right as the value, and nothing else is", () => {
    const either = (index: number): number[] => (index === 1 ? [5] : []);
    expect(compareArray("y", got(1, 5), vector(1, 2), loose, "float64", either)).toBeNull();
    expect(compareArray("y", got(5, 2), vector(1, 2), loose, "float64", either)).toBe("y[0]: expected 1, got 5");
    expect(compareArray("y", got(1, NaN), vector(1, 2), loose, "float64", either)).toContain("got NaN");
  });

  test("a summary is compared at its samples and by its sums", () => {
    const want: ArraySpec = { shape: [4], dtype: "float64", sample: { idx: [0, 3], val: [1, 4] }, sum: 10, sumsq: 30 };
    const check = (...data: number[]): string | null => compareArray("y", got(...data), want, loose, "float64");
    expect(check(1, 2, 3, 4)).toBeNull();
    expect(check(1, 2, 3, 5)).toBe("y[3]: expected 4, got 5");
    expect(check(1, 2, 4, 4)).toContain("y sum:");
    expect(check(1, 1, 4, 4)).toContain("sum of squares");
  });
});

describe("suite", () => {
  beforeAll(async () => void setDevice(await reference()));
  const square: OpCase = {
    id: "ops-unary/square#0", op: "square", kind: "op",
    in: { x: vector(1, -2, 3) }, out: { y: vector(1, 4, 9) },
    diff: ["x"], cot: { y: vector(1, 1, 2) }, grad: { x: vector(2, -4, 12) },
    tan: { x: vector(1, 0.5, -1) }, jvp: { y: vector(2, -2, -6) }, hvp: { x: vector(2, 1, -4) },
    tol: { f64: { rtol: 1e-10, atol: 1e-12 }, f32: { rtol: 1e-5, atolOut: 2e-6, atolGrad: 4e-6 } },
  };
  const fileOf = (each: OpCase, group = "ops-unary"): CaseFile => ({ format: FORMAT, group, cases: [each] });
  const messages = async (each: OpCase): Promise<string[]> =>
    (await runSuite([fileOf(each)])).failures.map(({ dtype, message }) => `${dtype} ${message}`);

  test("a right case passes", async () => {
    expect(await runSuite([fileOf(square)])).toMatchObject({ passed: 1, failed: 0, skipped: 0, failures: [] });
  });

  test.each([
    ["output", { out: { y: vector(1, 4, 9.1) } }, "forward y[2]: expected 9.1, got 9"],
    ["output shape", { out: { y: vector(1, 4) } }, "forward y shape: expected [2], got [3]"],
    ["output dtype", { out: { y: { shape: [3], dtype: "bool", data: [1, 1, 1] } } }, "forward y dtype: expected bool"],
    ["gradient", { grad: { x: vector(2, -4.001, 12) } }, "grad x[1]: expected -4.001, got -4"],
    ["jvp", { jvp: { y: vector(2.1, -2, -6) } }, "jvp y[0]: expected 2.1, got 2"],
    ["hvp", { hvp: "zero" }, "hvp (forward over reverse) x[2]: expected 0, got -4"],
    ["jacobian", { jac: { x: { shape: [3, 3], dtype: "float64", data: [2, 0, 0, 0, -4, 0, 0, 0, 7] } } }, "jac (reverse) x[2, 2]: expected 7, got 6"],
    ["input name", { in: { z: vector(1, -2, 3) } }, "forward: threw"],
  ] as const)("a wrong %s fails in both dtypes", async (_, change, message) => {
    const found = await messages({ ...square, ...change } as OpCase);
    expect(found).toContainEqual(expect.stringContaining(`float64 ${message}`));
    expect(found.some((line) => line.startsWith("float32 "))).toBe(true);
  });

  test("float32 has tolerances of its own", async () => {
    const off = { ...square, out: { y: vector(1, 4, 9.00005) } };
    expect(await messages(off)).toEqual(["float64 forward y[2]: expected 9.00005, got 9"]);
  });

  test("an index has to be the same number", async () => {
    const each: OpCase = {
      id: "ops-reduce/argmax#0", op: "argmax", kind: "op", tol: square.tol!,
      in: { x: vector(1, 5, 2) }, out: { y: { shape: [], dtype: "int64", data: [1] } },
    };
    expect((await runSuite([fileOf(each, "ops-reduce")])).failed).toBe(0);
    const wrong = { ...each, out: { y: { ...each.out.y!, data: [2] } } };
    expect((await runSuite([fileOf(wrong, "ops-reduce")])).failures[0]?.message).toBe("forward y: expected 2, got 1");
  });

  test("what is unknown is skipped by name", async () => {
    const report = await runSuite([fileOf({ ...square, op: "cube" }), fileOf(square, "ops-quantum")]);
    expect(report).toMatchObject({ passed: 0, skipped: 2, unknown: { "ops-unary": ["cube"], "ops-quantum": ["square"] } });
  });

  test("an attribute or an input that nothing reads is not ignored", async () => {
    const cases = [
      { ...square, attrs: { exact: true } },
      { ...square, in: { ...square.in, weight: vector(1, 2, 3) } },
      { ...square, attrs: { exact: null } },
    ];
    const report = await runSuite([{ format: FORMAT, group: "ops-unary", cases }]);
    expect(report).toMatchObject({ passed: 1, failed: 0, skipped: 2 });
    expect(report.unknown).toEqual({ "ops-unary": ["square (unknown: exact)", "square (unknown: weight)"] });
  });

  test("an option that an optimizer or a schedule does not have is not ignored", async () => {
    const schedule = {
      id: "schedules/exponential#0", op: "exponential", kind: "schedule", base_lr: 1, tol: loose,
      config: { gamma: 0.5, last_epoch: -1, cap: 0.1 }, lr: [1, 0.5, 0.25],
    };
    const problems = { sequence: { p0: vector(1), grads: { shape: [1, 1], dtype: "float64", data: [1] } } };
    const optimizer = {
      id: "optimisers/sgd#0", op: "sgd", kind: "optimiser", problem: "sequence", tol: { f64: loose }, steps: 1,
      config: { lr: 0.5, foreach: false, trust: 2 }, params: [[0.5]],
    };
    const report = await runSuite([
      { format: FORMAT, group: "schedules", cases: [schedule as unknown as OpCase] },
      { format: FORMAT, group: "optimisers", cases: [optimizer as unknown as OpCase], problems } as CaseFile,
    ]);
    expect(report.unknown).toEqual({
      schedules: ["exponential (unknown: cap)"], optimisers: ["sgd (unknown: trust)"],
    });
    const { cap: _, ...config } = schedule.config;
    const { trust: __, ...options } = optimizer.config;
    const known = await runSuite([
      { format: FORMAT, group: "schedules", cases: [{ ...schedule, config } as unknown as OpCase] },
      { format: FORMAT, group: "optimisers", cases: [{ ...optimizer, config: options } as unknown as OpCase], problems } as CaseFile,
    ]);
    expect(known).toMatchObject({ passed: 2, failed: 0, skipped: 0 });
  });
});

describe("command", () => {
  const temporary = mkdtempSync(join(tmpdir(), "conformance-"));
  afterAll(() => rmSync(temporary, { recursive: true }));
  const run = async (...parameters: string[]): Promise<{ status: number; lines: string[] }> => {
    let text = "";
    const status = await runCommand(parameters, (part) => (text += part));
    return { status, lines: text.trimEnd().split("\n") };
  };

  test("prints counts last and writes the results", async () => {
    const json = join(temporary, "results.json");
    const { status, lines } = await run("--backend", "reference", "--group", "calibration", "--json", json);
    expect(status).toBe(0);
    expect(lines).toEqual(["skipped in calibration: real_network", "16 passed, 0 failed, 1 skipped"]);
    expect(JSON.parse(readFileSync(json, "utf8"))).toEqual({
      passed: 16, failed: 0, skipped: 1, groups: { calibration: { passed: 16, failed: 0, skipped: 1 } }, failures: [],
    });
  });

  test("exits with 1 where a case fails, from any folder", async () => {
    const each = { id: "ops-unary/neg#0", op: "neg", kind: "op", in: { x: vector(1) }, out: { y: vector(1) }, tol: { f64: loose } };
    writeFileSync(join(temporary, "cases.json"), JSON.stringify({ format: FORMAT, group: "ops-unary", cases: [each] }));
    const { status, lines } = await run("--backend", "reference", "--cases", temporary);
    expect(status).toBe(1);
    expect(lines).toEqual(["ops-unary/neg#0: float64 forward y[0]: expected 1, got -1", "0 passed, 1 failed, 0 skipped"]);
  });

  test.each([
    [["--backend", "abacus"], "there is no backend 'abacus'"],
    [["--group", "ops-quantum"], "there is no group 'ops-quantum'"],
    [["--dtype", "float16"], "--dtype is 'float16'"],
    [["--cases", fileURLToPath(new URL(".", import.meta.url))], "no file of format"],
  ])("%s is refused", async (parameters, message) => {
    await expect(run(...parameters)).rejects.toThrow(message);
  });
});
