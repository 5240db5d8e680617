import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace, flowers, idxFolder } from "./support.ts";

let work: Workplace;
let csv: string;
let idx: string;
beforeAll(async () => {
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
  idx = await idxFolder(work, "stripes");
});
afterAll(() => work.remove());

const json = (text: string) => {
  expect(text.trim().split("\n")).toHaveLength(1);
  return JSON.parse(text);
};
const quick = ["--json", "--threads", "1", "--epochs", "60", "--learning-rate", "0.01"];

describe("train", () => {
  it.each([
    ["kind", "multiclass", ["loss", "accuracy", "rocAuc", "ece", "coverage", "setSize"]],
    ["thorns", "binary", ["loss", "accuracy", "rocAuc", "ece", "coverage", "setSize"]],
    ["price", "regression", ["loss", "r2", "rmse", "mae", "coverage", "width"]],
  ])("learns %s of a CSV file as %s", async (target, task, names) => {
    const { code, out } = await work.run(["train", csv, "--target", target, ...quick]);
    expect(code).toBe(0);
    const result = json(out);
    expect(Object.keys(result)).toEqual(["runDir", "task", "seconds", "metrics"]);
    expect(result.task).toBe(task);
    expect(Object.keys(result.metrics)).toEqual(["train", "validation", "calibration", "test"]);
    for (const scores of Object.values(result.metrics)) expect(Object.keys(scores as object)).toEqual(names);
    expect(result.metrics.test[task === "regression" ? "r2" : "accuracy"]).toBeGreaterThan(0.85);
    const kept = ["config.resolved.yaml", "schema.json", "env.json", "metrics.jsonl", "predictions.csv", "report.html", "log.txt", "calibration.json", "scores.json", "checkpoints/last.safetensors", "checkpoints/best.safetensors"];
    for (const name of kept) expect(existsSync(join(result.runDir, name)), name).toBe(true);
    const report = readFileSync(join(result.runDir, "report.html"), "utf8");
    expect(report).toContain(`dormouse train ${csv} --target ${target}`);
    expect(report).not.toMatch(/https?:|<script|<link|NaN/);
    expect(readlinkSync(work.at("runs/latest"))).toBe(result.runDir.split("/").at(-1));
  });

  it.each(["mlp", "linear", "cnn"])("learns a folder of images with %s", async (model) => {
    const { code, out, error } = await work.run(["train", idx, "--model", model, "--hidden", "16", "--batch", "16", "--epochs", "12", "--learning-rate", "0.02", "--json"]);
    expect(error).toContain("train 108, validation 6, calibration 6, test 31");
    expect(code).toBe(0);
    expect(json(out).metrics.test.accuracy).toBeGreaterThan(0.9);
  });

  it("writes a line per epoch, what it did with the columns, and where the results are", async () => {
    const { error, out } = await work.run(["train", csv, "--target", "kind", "--epochs", "2"]);
    expect(error).toContain("kind: classification (3 different values)");
    expect(error).toContain("set aside id: id");
    expect(error.match(/^epoch \d\/2 /gm)).toHaveLength(2);
    expect(out).toMatch(/^test .*\n\nreport {6}\S+report\.html\ncheckpoint {2}\S+best\.safetensors\n$/m);
  });

  it("is the same run twice, in a folder of its own", async () => {
    const words = ["train", "digits", "--limit", "200", "--epochs", "1", "--threads", "1", "--json"];
    const [first, second] = [json((await work.run(words)).out), json((await work.run(words)).out)];
    expect(second.metrics).toEqual(first.metrics);
    expect(second.runDir).not.toBe(first.runDir);
  });

  it("saves when it is interrupted, and goes on to the same result", async () => {
    const words = ["train", csv, "--target", "kind", "--epochs", "6", "--threads", "1", "--json"];
    const whole = json((await work.run(words)).out);
    const stop = new AbortController();
    stop.abort("SIGINT");
    const { code, error, out } = await work.run(words, stop.signal);
    expect([code, out]).toEqual([130, ""]);
    const [, run] = /go on with: dormouse train --resume (\S+)\n$/.exec(error)!;
    expect(readFileSync(join(run!, "env.json"), "utf8")).toContain("dormouse train");
    const rest = await work.run(["train", "--resume", run!, "--json"]);
    expect(rest.code).toBe(0);
    expect(json(rest.out).metrics).toEqual(whole.metrics);
  });

  it("ends with 4 where the loss is no longer finite", async () => {
    const { code, error } = await work.run(["train", csv, "--target", "price", "--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "5"]);
    expect(code).toBe(4);
    expect(error).toMatch(/dormouse: fit: .* is not finite at step \d+ of epoch \d+; lower the learning rate/);
  });
});

describe("evaluate and predict", () => {
  let run: string;
  beforeAll(async () => {
    run = json((await work.run(["train", csv, "--target", "kind", ...quick])).out).runDir;
  });

  it("scores the test part as training did, and other data", async () => {
    const own = json((await work.run(["evaluate", run, "--json"])).out);
    const line = readFileSync(join(run, "predictions.csv"), "utf8").trim().split("\n");
    expect(own).toMatchObject({ runDir: run, task: "multiclass", examples: line.length - 1, passed: true });
    const all = json((await work.run(["evaluate", run, csv, "--json"])).out);
    expect(all).toMatchObject({ examples: 90 });
    expect(all.metrics.accuracy).toBeGreaterThan(0.9);
  });

  it.each([
    [["--min", "accuracy=0.5"], 0, ""],
    [["--min", "accuracy=1.1"], 5, /^dormouse: accuracy [\d.]+ is below 1.1\n$/],
    [["--min", "accuracy=0.5", "--max", "loss=0"], 5, /^dormouse: loss [\d.e-]+ is above 0\n$/],
    [["--min", "acuracy=0.5"], 2, "dormouse: --min acuracy=0.5: the scores of this task are loss, accuracy, rocAuc, ece, coverage, setSize\n"],
    [["--min", "accuracy"], 2, "dormouse: --min accuracy: must be a score and a number, as accuracy=0.9\n"],
  ])("gates with %j", async (words, code, message) => {
    const outcome = await work.run(["evaluate", run, ...words]);
    expect(outcome.code).toBe(code);
    if (typeof message === "string") expect(outcome.error).toBe(message);
    else expect(outcome.error).toMatch(message);
  });

  it("predicts rows without a target, in another order of columns, with gaps and colors never seen", async () => {
    const rows = work.write("new.csv", "color,width,thorns,price,length\nblue,2.1,no,20.1,6.2\n,1,no,NA,NA\nred,0.1,yes,10.2,0.2\n");
    const { out, code } = await work.run(["predict", run, rows]);
    expect(code).toBe(0);
    const lines = out.trim().split("\n");
    expect(lines[0]).toBe('prediction,"p(daisy, wild)",p(rose),p(tulip),set');
    expect(lines[1]).toMatch(/^"daisy, wild",/);
    expect(lines[3]).toMatch(/^rose,/);
    for (const line of lines.slice(1)) {
      const sum = line.replace(/^("[^"]*"|[^,]*),/, "").split(",").slice(0, 3).reduce((total, p) => total + Number(p), 0);
      expect(sum).toBeCloseTo(1, 4);
    }
  });

  it("names the column that a file lacks", async () => {
    const rows = work.write("narrow.csv", "color,width,thorns,price\nred,2,no,20\n");
    expect(await work.run(["predict", run, rows])).toMatchObject({ code: 3, out: "", error: expect.stringContaining('there is no column "length"') as string });
  });

  it("writes predictions to a file", async () => {
    const { out } = await work.run(["predict", run, csv, "--out", work.at("p.csv")]);
    expect(out).toBe("");
    expect(readFileSync(work.at("p.csv"), "utf8").trim().split("\n")).toHaveLength(91);
  });

  it("predicts and scores images, and refuses those of another size", async () => {
    const images = json((await work.run(["train", "idx", "--data", idx, "--epochs", "2", "--hidden", "8", "--json"])).out).runDir;
    expect((await work.run(["predict", images, idx])).out.trim().split("\n")).toHaveLength(32);
    const digits = json((await work.run(["train", "--limit", "100", "--epochs", "1", "--json"])).out).runDir;
    expect(await work.run(["predict", digits, idx])).toMatchObject({
      code: 3, error: `dormouse: ${idx}: images are 6 x 5, the model was trained on 28 x 28\n`,
    });
  });
});

describe("what goes wrong", () => {
  it.each([
    [["trian"], 2, "unknown command 'trian'"],
    [["train", "--epoch", "3"], 2, "unknown option '--epoch'"],
    [["train", "--epochs", "-3"], 2, "--epochs -3: must be a whole number of at least 1"],
    [["train", "fashon-mnist"], 2, "fashon-mnist is neither data that is known"],
    [["train", "mnist"], 2, "mnist needs --data <folder>"],
    [["train", "mnist", "--data", "none/here"], 3, "there is no train-images-idx3-ubyte"],
    [["train", "./none.csv"], 3, "./none.csv: there is no such file or folder"],
    [["train", "CSV"], 2, "which column is to be predicted? --target <column>, one of id, length"],
    [["train", "CSV", "--target", "kynd"], 2, "--target kynd:"],
    [["train", "CSV", "--target", "kind", "--task", "regression"], 3, "is not a number everywhere"],
    [["train", "CSV", "--target", "kind", "--model", "cnn"], 2, "--model cnn: needs images"],
    [["train", "EMPTY", "--target", "a"], 3, "the file has no rows"],
    [["train", "SHORT", "--target", "b"], 3, "2 rows with b are too few"],
    [["train", "RAGGED", "--target", "b"], 3, "line 3 has 3 cells instead of 2"],
    [["train", "--threads", "100000"], 2, "--threads 100000: must be a whole number from 1 to 64"],
    [["train", "--resume", "nowhere"], 2, "nowhere: there is no such run folder"],
    [["evaluate", "nowhere"], 2, "nowhere: there is no such run folder"],
    [["evaluate"], 2, "missing required argument 'run'"],
    [["predict", "nowhere", "x.csv"], 2, "nowhere: there is no such run folder"],
  ])("%j ends with %i", async (words, code, message) => {
    const files: Record<string, string> = {
      CSV: csv,
      EMPTY: work.write("empty.csv", ""),
      SHORT: work.write("short.csv", "a,b\n1,x\n2,y\n"),
      RAGGED: work.write("ragged.csv", "a,b\n1,x\n2,y,z\n"),
    };
    const outcome = await work.run(words.map((word) => files[word] ?? word));
    expect(outcome.error).toContain(message);
    expect(outcome.error).toMatch(/^dormouse: [^\n]*\n$/);
    expect(outcome).toMatchObject({ code, out: "" });
  });
});
