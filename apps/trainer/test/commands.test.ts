/** The commands around training: inspect, init, runs and doctor. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let csv: string;
beforeAll(() => {
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
});
afterAll(() => work.remove());

const quick = ["--target", "kind", "--epochs", "1", "--threads", "1", "--json"];
const train = async (...words: string[]): Promise<string> => JSON.parse((await work.run(["train", csv, ...quick, ...words])).out).runDir;

describe("inspect", () => {
  it("tells of columns and issues", async () => {
    const { code, out, error } = await work.run(["inspect", csv, "--target", "thorns"]);
    expect([code, error]).toEqual([0, ""]);
    expect(out).toContain("flowers.csv: 90 rows, 7 columns\nthorns: classification (2 different values)\n");
    expect(out).toMatch(/^kind +category +3 {2}rose ×30, tulip ×30, daisy, wild ×30$/m);
    expect(out).toMatch(/^id +id +90 {2}1 to 90, median 45\.5, mean 45\.5$/m);
    expect(out).toMatch(/^- kind alone tells thorns in 100 % of rows: leave it out unless it is known before thorns is$/m);
    expect(out).toMatch(/^- id is set aside: id/m);
  });

  it("tells the same as JSON, of the columns that are not excluded", async () => {
    const { out } = await work.run(["inspect", csv, "--target", "thorns", "--exclude", "kind,id", "--json"]);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ data: csv, rows: 90, target: { name: "thorns", task: "classification" } });
    expect(report.columns.map(({ name }: { name: string }) => name)).toEqual(["length", "width", "color", "thorns", "price"]);
    expect(report.issues.filter(({ kind }: { kind: string }) => kind === "set aside")).toEqual([]);
  });

  it("counts images by class and part", async () => {
    const { out, code } = await work.run(["inspect", await idxFolder(work, "stripes"), "--json"]);
    expect(code).toBe(0);
    const { parts, ...rest } = JSON.parse(out);
    expect(rest).toMatchObject({ height: 6, width: 5, classes: ["0", "1", "2"] });
    expect(parts).toEqual({
      train: { examples: 108, classes: [36, 36, 36] }, validation: { examples: 6, classes: [2, 2, 2] },
      calibration: { examples: 6, classes: [2, 2, 2] }, test: { examples: 31, classes: [11, 10, 10] },
    });
    expect((await work.run(["inspect", "digits", "--limit", "99"])).out).toMatch(/images of 28 x 28, 10 classes\n/);
  });

  it.each([
    [["inspect", "./none.csv"], 3, "./none.csv: there is no such file or folder"],
    [["inspect", "CSV", "--target", "kynd"], 2, "did you mean kind?"],
    [["inspect", "CSV", "--epochs", "3"], 2, "unknown option '--epochs'"],
  ])("%j ends with %i", async (words, code, message) => {
    const outcome = await work.run(words.map((word) => (word === "CSV" ? csv : word)));
    expect(outcome).toMatchObject({ code, out: "" });
    expect(outcome.error).toContain(message);
  });
});

describe("init", () => {
  it("writes settings that can be trained with, and never over others", async () => {
    const file = work.at("made.yaml");
    expect(await work.run(["init", csv, "--target", "kind", "--epochs", "2", "--out", file])).toEqual({
      code: 0, out: "", error: `wrote ${file}; train with: dormouse train --config ${file}\n`,
    });
    const text = readFileSync(file, "utf8");
    expect(parse(text)).toMatchObject({
      data: { path: csv, target: "kind", types: { id: "id", length: "number", color: "binary", thorns: "binary", price: "number" } },
      training: { epochs: 2 },
    });
    expect(text).toMatch(/id: id # every row has another number/);
    expect((await work.run(["config", "validate", file])).code).toBe(0);
    const { code, error } = await work.run(["train", "--config", file, "--threads", "1"]);
    expect(code, error).toBe(0);
    expect(error).toContain("kind: classification");
    expect(await work.run(["init", csv, "--out", file])).toMatchObject({ code: 2, error: `dormouse: ${file} is there already; choose another name with --out <file>\n` });
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  it("guesses the target, and says so; keeps names for a file without", async () => {
    const plain = work.write("plain.csv", flowers().split("\n").slice(1).join("\n"));
    const file = work.at("guess.yaml");
    await work.run(["init", plain, "--columns", "id,l,w,color,kind,thorns,price", "--out", file]);
    expect(readFileSync(file, "utf8")).toContain("target: price # a guess: the last column that can be learned");
    expect(parse(readFileSync(file, "utf8")).data).toMatchObject({ columns: ["id", "l", "w", "color", "kind", "thorns", "price"], header: false });
    expect((await work.run(["train", "--config", file, "--epochs", "1", "--threads", "1"])).code).toBe(0);
  });
});

describe("runs", () => {
  it("lists, compares and deletes", async () => {
    const [first, second] = [await train(), await train("--batch", "16", "--seed", "3")];
    mkdirSync(work.at("runs", "not-a-run"), { recursive: true });
    const list = JSON.parse((await work.run(["runs", "list", "--runs", work.at("runs"), "--json"])).out);
    expect(list.map(({ path }: { path: string }) => path).slice(-2)).toEqual([first, second]);
    expect(list.at(-1)).toMatchObject({ state: "finished", task: "multiclass", test: { accuracy: expect.any(Number) as number } });
    const { out } = await work.run(["runs", "list", "--runs", work.at("runs")]);
    expect(out).toMatch(/^run +state +task +time +test loss +accuracy +r2\n/);
    expect(out.trim().split("\n")).toHaveLength(list.length + 1);

    const compared = await work.run(["runs", "compare", first, work.at("runs", "latest")]);
    expect(compared.code).toBe(0);
    expect(compared.out).toMatch(/^training\.batch +32 +16$/m);
    expect(compared.out).toMatch(/^seed +0 +3$/m);
    expect(compared.out).not.toContain("training.epochs");
    expect(compared.out).toMatch(/^test accuracy +[\d.]+ +[\d.]+$/m);
    expect(compared.out.split("\n")[0]!.trim().split(/ +/)).toEqual([first, second].map((path) => path.split("/").at(-1)));

    expect((await work.run(["runs", "rm", work.at("runs", "latest")])).code).toBe(0);
    expect([existsSync(first), existsSync(second)]).toEqual([true, false]);
    expect(readlinkSync(work.at("runs", "latest"))).toBe(first.split("/").at(-1));
    const others = readdirSync(work.at("runs")).filter((name) => /^\d/.test(name)).map((name) => work.at("runs", name));
    expect((await work.run(["runs", "rm", ...others])).code).toBe(0);
    expect(lstatSync(work.at("runs", "latest"), { throwIfNoEntry: false })).toBeUndefined();
    expect(existsSync(work.at("runs", "not-a-run"))).toBe(true);
  });

  it.each([
    [["runs", "list", "--runs", "./nowhere"], "./nowhere: there is no such folder; --runs <folder> names another"],
    [["runs", "compare", "./nowhere"], "runs compare: name two runs or more"],
    [["runs", "rm", "HOME"], "is not a run folder: it has no config.resolved.yaml"],
    [["runs", "rm", "./nowhere"], "./nowhere: there is no such run folder"],
  ])("%j ends with 2", async (words, message) => {
    const outcome = await work.run(words.map((word) => (word === "HOME" ? work.path : word)));
    expect(outcome).toMatchObject({ code: 2, out: "" });
    expect(outcome.error).toContain(message);
    expect(existsSync(csv)).toBe(true);
  });
});

describe("doctor", () => {
  it("looks at the machine, and lets every device calculate", async () => {
    const { code, out } = await work.run(["doctor", "--json"]);
    const findings = JSON.parse(out) as { what: string; found: string; works: boolean }[];
    const ofGpu = findings.slice(findings.findIndex(({ what }) => what === "device webgpu"));
    expect(findings.slice(0, -ofGpu.length).map(({ what }) => what)).toEqual([
      "engine", "system", "processor", "memory", "shared memory", "SIMD", "fused multiply-add", "threads", "device cpu",
    ]);
    expect(findings.find(({ what }) => what === "device cpu")!.found).toMatch(/^cpu-simd.*: multiplies 67 x 67 matrices exactly$/);
    expect(ofGpu[0]!.found).toMatch(/^none: .+|: multiplies 67 x 67 matrices exactly$/);
    if (ofGpu[0]!.found.startsWith("none: ")) expect(ofGpu).toHaveLength(1);
    else {
      expect(ofGpu.slice(1)).toMatchObject([
        { what: "GPU features", found: expect.stringMatching(/^shader-f16 (yes|no), subgroups (yes|no), timestamp-query (yes|no)$/) },
        { what: "GPU limits", found: expect.stringMatching(/^tensors up to \d+\.\d GiB, \d+ buffers for a kernel, \d+ KiB for a workgroup$/) },
      ]);
    }
    expect(code).toBe(0);
  });
});
