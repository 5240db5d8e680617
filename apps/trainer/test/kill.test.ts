/**
 * What is left of a run when its process ends: killed at any moment, interrupted, diverged. `DORMOUSE_KILLS` sets how
 * often the run of the first test is killed; 60 take two minutes.
 */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "@dormouse/data";
import { readSafetensors } from "@dormouse/formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Dormouse } from "./process.ts";

const kills = Number(process.env["DORMOUSE_KILLS"] ?? 6);

let dormouse: Dormouse;
let place: string;
beforeAll(async () => {
  dormouse = await new Dormouse().build();
  place = mkdtempSync(join(tmpdir(), "dormouse-kill-"));
});
afterAll(() => {
  dormouse.remove();
  rmSync(place, { recursive: true });
});

const words = (runs: string, ...more: readonly string[]): string[] => [
  "train", "digits", "--limit", "600", "--hidden", "48", "--batch", "4", "--dropout", "0.1", "--threads", "1", "--json", "--runs", join(place, runs), ...more,
];

const runsIn = (runs: string): string[] =>
  existsSync(join(place, runs)) ? readdirSync(join(place, runs)).filter((name) => /^\d/.test(name)).map((name) => join(place, runs, name)) : [];

/** Everything that has its final name must be whole. */
function requireWhole(run: string): void {
  expect(parse(readFileSync(join(run, "config.resolved.yaml"), "utf8"))).toHaveProperty("training.epochs");
  for (const name of ["schema.json", "env.json"]) JSON.parse(readFileSync(join(run, name), "utf8"));
  for (const name of ["last", "best"]) {
    const path = join(run, "checkpoints", `${name}.safetensors`);
    if (existsSync(path)) expect(readSafetensors(readFileSync(path)).tensors.size).toBeGreaterThan(3);
  }
  if (existsSync(join(run, "metrics.jsonl"))) {
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as { epoch: number });
    expect(lines.map(({ epoch }) => epoch)).toEqual(lines.map((_, i) => i));
  }
}

/** Tensors of a checkpoint as bytes, by name. */
const tensorsOf = (run: string, name: "last" | "best"): Record<string, string> =>
  Object.fromEntries(
    Array.from(readSafetensors(readFileSync(join(run, "checkpoints", `${name}.safetensors`))).tensors, ([path, { data }]) =>
      [path, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")]),
  );

describe("a run that is killed", () => {
  it(`goes on to the same bits, however often (${kills} times)`, { timeout: 600_000 }, async () => {
    const more = ["--epochs", String(10 + 8 * kills), "--set", "training.saveEvery=0.02"];
    const whole = await dormouse.run(words("whole", ...more));
    expect(whole.error).toContain("trained for");
    const random = new Random(Number(process.env["DORMOUSE_SEED"] ?? 3));
    let killed = 0;
    let resumed = 0;
    let result: string | null = null;
    while (result === null) {
      const [run] = runsIn("killed");
      const started = dormouse.start(run === undefined ? words("killed", ...more) : ["train", "--resume", run, "--json"]);
      if (killed < kills) {
        // Some kills come while the process starts, most while it trains and saves.
        const starts = random.below(4) === 0;
        if (!starts) await started.seen(/parameters on/);
        const timer = setTimeout(() => started.child.kill("SIGKILL"), 700 * random.uniform());
        const { signal, out } = await started.ended;
        clearTimeout(timer);
        for (const each of runsIn("killed")) requireWhole(each);
        if (signal === "SIGKILL") killed++;
        else result = out;
        if (run !== undefined) resumed++;
      } else result = (await started.ended).out;
    }
    expect(runsIn("killed")).toHaveLength(1);
    const [run] = runsIn("killed");
    const [reference] = runsIn("whole");
    expect(killed).toBe(kills);
    expect(resumed).toBeGreaterThan(0);
    expect((JSON.parse(result) as { metrics: unknown }).metrics).toEqual((JSON.parse(whole.out) as { metrics: unknown }).metrics);
    for (const name of ["last", "best"] as const) expect(tensorsOf(run!, name)).toEqual(tensorsOf(reference!, name));
    expect(readdirSync(join(run!, "checkpoints")).sort()).toEqual(["best.safetensors", "last.safetensors"]);
  });
});

describe("a run of everything that keeps a state of its own", () => {
  const more = [
    "--epochs", "4", "--batch", "16", "--norm", "batch", "--members", "2", "--ema", "0.95", "--clip", "0.5", "--schedule", "plateau",
    "--set", "training.plateauPatience=0", "--set", "training.saveEvery=0.05", "--threads", "2",
  ];

  it("goes on to the same scores when it is interrupted and killed in turn", { timeout: 240_000 }, async () => {
    const whole = JSON.parse((await dormouse.run(words("state-whole", ...more))).out) as { metrics: unknown };
    for (let stops = 0; ; stops++) {
      const [run] = runsIn("state");
      const started = dormouse.start(run === undefined ? words("state", ...more) : ["train", "--resume", run, "--json", "--threads", "2"]);
      await started.seen(/parameters on/);
      const timer = stops < 3 ? setTimeout(() => started.child.kill(stops % 2 === 0 ? "SIGINT" : "SIGKILL"), 300 + 100 * stops) : undefined;
      const { code, out } = await started.ended;
      clearTimeout(timer);
      if (code !== 0) continue;
      expect((JSON.parse(out) as { metrics: unknown }).metrics).toEqual(whole.metrics);
      expect(stops).toBeGreaterThan(0);
      break;
    }
    const histories = ["state", "state-whole"].map((runs) => readFileSync(join(runsIn(runs)[0]!, "metrics.csv"), "utf8").split("\n").map((line) => line.split(",").toSpliced(1, 1)));
    expect(histories[0]).toEqual(histories[1]);
  });
});

describe("a run that is interrupted", () => {
  it.each([["SIGINT", 130], ["SIGTERM", 143]] as const)("saves on %s within two seconds, and says how to go on", async (signal, code) => {
    const runs = `stopped-${signal}`;
    const started = dormouse.start(words(runs, "--epochs", "500"));
    await started.seen(/epoch +3\//);
    const at = performance.now();
    started.child.kill(signal);
    const ended = await started.ended;
    expect(performance.now() - at).toBeLessThan(2000);
    expect(ended).toMatchObject({ code, out: "" });
    const [, run] = /go on with: dormouse train --resume (\S+)\n$/.exec(ended.error)!;
    const { metadata } = readSafetensors(readFileSync(join(run!, "checkpoints/last.safetensors")));
    // It was saved when it was told to, not at the end of the epoch before: where the step is 0 it is new by its time.
    expect(Date.now() - statSync(join(run!, "checkpoints/last.safetensors")).mtimeMs).toBeLessThan(2000);
    const epochs = (JSON.parse(metadata!["history"]!) as unknown[]).length;
    const rest = await dormouse.run(["train", "--resume", run!, "--json", "--epochs", String(epochs + 1)]);
    expect(rest.code).toBe(0);
  });

  it("ends at once when it is told twice", async () => {
    const started = dormouse.start(words("twice", "--epochs", "500"));
    await started.seen(/epoch +1\//);
    started.child.kill("SIGINT");
    started.child.kill("SIGINT");
    expect((await started.ended).code).toBe(130);
  });
});

describe("a run whose messages nobody reads any more", () => {
  it("goes on to its end", async () => {
    const started = dormouse.start(words("unread", "--epochs", "20"));
    await started.seen(/epoch +1\//);
    started.child.stderr!.destroy();
    expect(await started.ended).toMatchObject({ code: 0, out: expect.stringContaining("metrics") as string });
  });
});

describe("a run that diverges", () => {
  it("names tensor and step, keeps what was good and ends with 4", async () => {
    const { code, error, out } = await dormouse.run(words("diverged", "--optimizer", "sgd", "--learning-rate", "3e37", "--schedule", "constant", "--epochs", "3"));
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(error).toMatch(/dormouse: fit: (the|after its update the) [\w .]+ is not finite at step \d+ of epoch 0; lower the learning rate.*; there is no checkpoint before it\n$/);
  });
});

describe("settings that change on the way", () => {
  it("are refused unless they say how long a run goes on", async () => {
    const { code } = await dormouse.run(words("changed", "--epochs", "1"));
    expect(code).toBe(0);
    const [run] = runsIn("changed");
    const refused = await dormouse.run(["train", "--resume", run!, "--learning-rate", "0.5"]);
    expect(refused).toMatchObject({ code: 2, error: expect.stringContaining("--resume cannot change training.learningRate") as string });
    expect((await dormouse.run(["train", "--resume", run!, "--epochs", "2", "--max-seconds", "900"])).code).toBe(0);
  });
});
