/** The runner's arithmetic and bookkeeping, with workers that answer by rote; the command line and the table. */
import { describe, expect, it } from "vitest";
import { UsageError, readOptions } from "../src/options.ts";
import { showNumber, table } from "../src/report.ts";
import { type Row, type Worker, rowsOf, runWork, unconfirmed, withPeaks } from "../src/runner.ts";
import { disagreement, fingerprint, median, repetitions } from "../src/statistics.ts";
import type { SystemName } from "../src/systems/system.ts";
import type { Command } from "../src/worker.ts";
import { permuted, uniform } from "../src/works/data.ts";
import { gpuWorks, isCeiling, isCounted, peakOfBytes, peakOfOperations } from "../src/works/gpu.ts";
import { works } from "../src/works/suites.ts";
import { type Unit, type Work, inUnit } from "../src/works/work.ts";

const work: Work = {
  suite: "gemm", name: "2 nn", unit: "GFLOP/s", amount: 2e6, tolerance: 1e-5,
  task: { kind: "gemm", m: 2, n: 2, k: 2, transA: false, transB: false },
};

/** Answers with its times in turn; an Error in place of results is thrown. */
class Rote implements Worker {
  readonly system: SystemName;
  readonly greeting = { version: "1", threads: 1, engine: "24.0.0" };
  readonly asked: Command[] = [];
  readonly #results: readonly number[] | Error;
  readonly #times: (number | Error)[];

  constructor(system: SystemName, results: readonly number[] | Error, times: (number | Error)[] = []) {
    this.system = system;
    this.#results = results;
    this.#times = times;
  }

  ask(command: Command): Promise<never> {
    this.asked.push(command);
    const answer = this.#answer(command);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as never);
  }

  #answer({ name }: Command): unknown {
    switch (name) {
      case "prepare":
        return this.#results instanceof Error ? this.#results : [fingerprint(this.#results)];
      case "warm":
        return 4;
      case "measure":
        return this.#times.shift();
      case "count":
        return { dispatches: 12, submits: 1.1 };
      case "dispose":
        return null;
    }
  }
}

async function run(workers: readonly Rote[], rounds = 3): Promise<{ rows: Row[]; complaints: string[] }> {
  const complaints: string[] = [];
  const settings = { rounds, sampleMilliseconds: 20, warmMilliseconds: 1 };
  const rows = await runWork(work, workers, { ...settings, complain: (message) => void complaints.push(message) });
  return { rows, complaints };
}

describe("statistics", () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])("the median of %j is %d", (values, wanted) => {
    expect(median(values)).toBe(wanted);
  });

  it("nothing has no median", () => {
    expect(() => median([])).toThrow("median: there are no values");
  });

  it.each([
    [0.1, 2000],
    [150, 1],
    [10_000, 1],
    [0.000_001, 10_000],
  ])("a run of %d ms is repeated %d times in 200 ms", (milliseconds, wanted) => {
    expect(repetitions(milliseconds, 200)).toBe(wanted);
  });

  it.each([
    ["GFLOP/s", 2e9, 50, 40],
    ["ns/element", 4e6, 8, 2],
    ["steps/s", 1, 4, 250],
    ["runs/s", 1, 0.5, 2000],
    ["ms", 1, 7, 7],
  ] as const)("%s of an amount of %d in %d ms", (unit, amount, milliseconds, wanted) => {
    expect(inUnit(milliseconds, { unit, amount })).toBeCloseTo(wanted, 10);
  });
});

describe("disagreement", () => {
  const values = uniform(2000, 7, -1, 1);
  const changed = (at: number, value: number): Float32Array => values.with(at, value);
  const compare = (other: ArrayLike<number>, tolerance = 1e-5) =>
    disagreement([fingerprint(values)], [fingerprint(other)], tolerance);

  it("accepts equal and nearly equal results", () => {
    expect(compare(values)).toBeNull();
    expect(compare(values.map((value) => value + 1e-6))).toBeNull();
  });

  it("finds a wrong sample, another length, values that are not finite, and what lies between samples", () => {
    expect(compare(changed(0, 0.5))).toMatch(/^sample 0 of result 0 is -?0\.\d+ and 0\.5/);
    expect(compare(values.subarray(1))).toBe("result 0 has 2000 and 1999 elements");
    expect(compare(changed(0, NaN))).toMatch("NaN");
    expect(compare(changed(1, 40))).toMatch("mean squares");
    expect(disagreement([fingerprint(values)], [], 1)).toBe("1 and 0 results");
  });

  it("does not take NaN for an answer, even from both", () => {
    const none = [fingerprint([NaN])];
    expect(disagreement(none, none, 1)).not.toBeNull();
    const sent = JSON.parse(JSON.stringify(none)) as typeof none;
    expect(disagreement(sent, sent, 1)).not.toBeNull();
  });

  it("times only what somebody else confirms", () => {
    const [a, b, c] = ["a", "b", "c"].map((system) => ({ system })) as [{ system: string }, { system: string }, { system: string }];
    const [one, two] = [[fingerprint([1])], [fingerprint([2])]];
    expect([...unconfirmed(new Map([[a, one]]), 0.1).keys()]).toEqual([]);
    expect([...unconfirmed(new Map([[a, one], [b, one]]), 0.1).keys()]).toEqual([]);
    expect([...unconfirmed(new Map([[a, one], [b, two]]), 0.1).keys()]).toEqual([a, b]);
    expect([...unconfirmed(new Map([[a, one], [b, two], [c, one]]), 0.1).keys()]).toEqual([b]);
  });
});

describe("runWork", () => {
  it("interleaves rounds, repeats by the warm-up, and compares medians", async () => {
    const ours = new Rote("dormouse", [1, 2], [1, 5, 2]);
    const theirs = new Rote("jax-js", [1, 2], [4, 4, 4]);
    const { rows, complaints } = await run([ours, theirs]);
    expect(complaints).toEqual([]);
    expect(rows).toEqual([
      { suite: "gemm", work: "2 nn", system: "dormouse", threads: 1, engine: "24.0.0", median: 1, unit: "GFLOP/s", vsUs: 1, ofPeak: null },
      { suite: "gemm", work: "2 nn", system: "jax-js", threads: 1, engine: "24.0.0", median: 0.5, unit: "GFLOP/s", vsUs: 2, ofPeak: null },
    ]);
    expect(ours.asked.map(({ name }) => name)).toEqual(["prepare", "warm", "measure", "measure", "measure", "dispose"]);
    expect(ours.asked[2]).toEqual({ name: "measure", repetitions: 5 });
  });

  it("gives a system that cannot do a work a row without a number, and says why", async () => {
    const { rows, complaints } = await run([
      new Rote("dormouse", [1], [1, 1, 1]),
      new Rote("jax-js", new Error("no such op")),
      new Rote("tfjs-wasm", [1], [2, new Error("out of memory")]),
    ]);
    expect(rows.map(({ median: value, vsUs }) => [value, vsUs])).toEqual([[2, 1], [null, null], [null, null]]);
    expect(complaints).toEqual(["gemm 2 nn: jax-js: no such op", "gemm 2 nn: tfjs-wasm: out of memory"]);
  });

  it("does not time a wrong result", async () => {
    const wrong = new Rote("jax-js", [2], [1, 1, 1]);
    const { rows, complaints } = await run([
      new Rote("dormouse", [1], [1, 1, 1]), wrong, new Rote("tfjs-wasm", [1], [3, 3, 3]),
    ]);
    expect(rows.map(({ vsUs }) => vsUs)).toEqual([1, null, 3]);
    expect(wrong.asked.map(({ name }) => name)).toEqual(["prepare", "dispose"]);
    expect(complaints[0]).toMatch(/^gemm 2 nn: jax-js: not timed: differs from dormouse: sample 0/);
  });

  it("compares where less is better the other way round", () => {
    const [ours, theirs] = [new Rote("dormouse", []), new Rote("jax-js", [])];
    const rows = rowsOf({ suite: "cold", name: "start", unit: "ms" }, [
      { worker: ours, median: 50 },
      { worker: theirs, median: 150 },
    ]);
    expect(rows.map(({ vsUs }) => vsUs)).toEqual([1, 3]);
    expect(rowsOf({ suite: "cold", name: "start", unit: "ms" }, [{ worker: theirs, median: 1 }])[0]!.vsUs).toBeNull();
  });
});

describe("runWork on a GPU", () => {
  it("counts what systems submit, where it is asked to", async () => {
    const workers = [new Rote("dormouse-webgpu", [1], [1, 1, 1]), new Rote("jax-js-webgpu", [1], [2, 2, 2])];
    const settings = { rounds: 3, sampleMilliseconds: 20, warmMilliseconds: 1, complain: expect.unreachable };
    const rows = await runWork({ ...work, suite: "gpu" }, workers, { ...settings, counts: true });
    expect(rows.map(({ work: name, median: value, unit }) => [name, value, unit])).toEqual([
      ["2 nn", 2, "GFLOP/s"], ["2 nn", 1, "GFLOP/s"],
      ["dispatches, 2 nn", 12, "per step"], ["dispatches, 2 nn", 12, "per step"],
      ["submits, 2 nn", 1.1, "per step"], ["submits, 2 nn", 1.1, "per step"],
    ]);
    expect(workers[0]!.asked.map(({ name }) => name)).toEqual(
      ["prepare", "warm", "measure", "measure", "measure", "count", "dispose"],
    );
  });
});

describe("report", () => {
  it.each([
    [0.0123, "0.01"], [9.876, "9.88"], [12.34, "12.3"], [123.4, "123"], [127_054.2, "127 054"], [1_234_567, "1 234 567"],
  ])("%d is written %s", (value, wanted) => {
    expect(showNumber(value)).toBe(wanted);
  });

  it("aligns columns and leaves out what repeats", async () => {
    const { rows } = await run([
      new Rote("dormouse", [1], [1, 1, 1]), new Rote("jax-js", [1], [4, 4, 4]), new Rote("tfjs-wasm", new Error("no")),
    ]);
    expect(table(rows)).toBe(
      [
        "work  system     threads  median  unit     vs us",
        "────  ─────────  ───────  ──────  ───────  ─────",
        "2 nn  dormouse         1    2.00  GFLOP/s",
        "      jax-js           1    0.50  GFLOP/s  4.00×",
        "      tfjs-wasm        1       –  GFLOP/s",
      ].join("\n"),
    );
  });

  it("judges what has the unit of a peak by our row of it", () => {
    const [ours, theirs] = [new Rote("dormouse-webgpu", []), new Rote("jax-js-webgpu", [])];
    const row = (name: string, unit: Unit, ...medians: (number | null)[]): Row[] =>
      rowsOf({ suite: "gpu", name, unit }, medians.map((median, i) => ({ worker: [ours, theirs][i]!, median })));
    const rows = [
      ...row("peak", "GFLOP/s", 100, 400), ...row("product", "GFLOP/s", 80, null), ...row("exp", "GB/s", 5),
    ];
    const judged = withPeaks(rows, ["peak"]);
    expect(judged.map(({ ofPeak }) => ofPeak)).toEqual([1, 4, 0.8, null, null]);
    expect(table(judged).split("\n")[2]).toMatch(/^peak +dormouse-webgpu +1 +100 +GFLOP\/s +100\.0 %$/);
    expect(withPeaks(rows, []).every(({ ofPeak }) => ofPeak === null)).toBe(true);
  });
});

describe("options", () => {
  it("defaults to everything, one thread, Node 24", () => {
    expect(readOptions([])).toEqual({
      suites: ["gemm", "elementwise", "reduce", "train", "cnn", "attention", "cold"],
      peers: ["jax-js", "tfjs-wasm", "pytorch", "pytorch-channels-last", "numpy", "jax-js-webgpu", "tfjs-webgpu"],
      namesPeers: false,
      threads: 1, engine: "24", json: null, rounds: 5, wide: false, size: null,
    });
    expect(readOptions(["--peers", "none", "--suite", "train,gemm"])).toMatchObject({ peers: [], suites: ["gemm", "train"] });
    expect(readOptions(["--suite", "gpu", "--size", "small"])).toMatchObject({ suites: ["gpu"], size: "small" });
    expect(readOptions(["--help"])).toBe("help");
  });

  it.each([
    [["--wide", "--engine", "20"], "--wide needs Node 24"],
    [["--suite", "gem"], "--suite has no gem; use gemm, elementwise"],
    [["--threads", "0"], "--threads is 0; use a whole number from 1 to"],
    [["--engine", "18"], "--engine is 18; use 20 or 24"],
    [["--size", "huge"], "--size is huge; use small or full"],
    [["--fast"], "'--fast'"],
  ])("refuses %j", (parameters, message) => {
    expect(() => readOptions(parameters)).toThrow(UsageError);
    expect(() => readOptions(parameters)).toThrow(message);
  });
});

describe("works", () => {
  it.each(["small", "full"] as const)("have names of their own, those of a GPU: %s", (size) => {
    const names = [...works, ...gpuWorks(size)].map(({ suite, name }) => `${suite} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it("of a GPU begin with the peaks that others are judged by", () => {
    const names = gpuWorks("full").filter(isCeiling).map(({ name }) => name);
    expect(names).toEqual([peakOfOperations, "copy by a command", peakOfBytes]);
    expect(gpuWorks("full").filter(isCounted).map(({ task }) => task.kind)).toEqual(
      ["mlp", "mlp", "cnn", "cnn", "attention", "attention"],
    );
  });

  it("permuted moves axes as nested loops do", () => {
    const shape = [2, 3, 4, 5];
    const data = Float32Array.from({ length: 120 }, (_, i) => i);
    const wanted: number[] = [];
    for (let c = 0; c < 4; c++)
      for (let a = 0; a < 2; a++)
        for (let d = 0; d < 5; d++) for (let b = 0; b < 3; b++) wanted.push(((a * 3 + b) * 4 + c) * 5 + d);
    expect(Array.from(permuted(data, shape, [2, 0, 3, 1]))).toEqual(wanted);
  });
});
