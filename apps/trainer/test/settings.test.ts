import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromFlags, problemsOf, readLayers, variableOf } from "../src/layers.ts";
import { editDistance, nearest } from "../src/nearest.ts";
import { resolveSettings, settingPaths, valueAt } from "../src/settings.ts";
import { Workplace, flowers } from "./support.ts";

let work: Workplace;
beforeAll(() => {
  work = new Workplace();
  work.write("flowers.csv", flowers());
});
afterAll(() => work.remove());

describe("defaults", () => {
  it.each([
    ["digits", { hidden: [256, 128], epochs: 10, batch: 128, learningRate: 2e-3, schedule: "cosine", patience: null }],
    ["idx", { hidden: [256, 128], epochs: 10, batch: 128, learningRate: 2e-3, schedule: "cosine", patience: null }],
    ["table", { hidden: [64], epochs: 200, batch: 32, learningRate: 1e-3, schedule: "constant", patience: 20 }],
  ] as const)("fit %s", (source, { hidden, ...training }) => {
    const settings = resolveSettings(source);
    expect(settings.model.hidden).toEqual(hidden);
    expect(settings.training).toMatchObject(training);
    expect(settings).toMatchObject({ seed: 0, device: "cpu", threads: null, split: { by: "auto", train: 0.7, test: 0.1 } });
  });

  it("leave to training what other parts do not take", () => {
    expect(resolveSettings("table", { split: { test: 0.25, validation: 0.05 } }).split).toMatchObject({ train: 0.6, calibration: 0.1 });
  });
});

describe("layers", () => {
  it("win in the order defaults, files, environment, flags, --set", () => {
    const first = work.write("first.yaml", "training: {epochs: 1, batch: 1, learningRate: 1, patience: 1}\nseed: 1\nmodel:\n  hidden: [1]\n");
    const second = work.write("second.yaml", "training:\n  batch: 2\n  learningRate: 2e0\n  patience: 2\nseed: 2\n");
    const { settings, origins } = readLayers({
      config: [first, second],
      environment: { DORMOUSE_TRAINING_LEARNING_RATE: "3", DORMOUSE_SEED: "3", DORMOUSE_TRAINING_PATIENCE: "3", HOME: "/" },
      flags: { seed: "4", patience: "4" },
      set: ["training.patience=5"],
    });
    expect(settings).toEqual({ training: { epochs: 1, batch: 2, learningRate: 3, patience: 5 }, seed: 4, model: { hidden: [1] } });
    expect(Object.fromEntries(origins)).toEqual({
      "training.epochs": `${first}:1`, "training.batch": `${second}:2`, "training.learningRate": "DORMOUSE_TRAINING_LEARNING_RATE",
      "training.patience": "--set", seed: "--seed", "model.hidden": `${first}:4`,
    });
  });

  it("give the defaults what they depend on", () => {
    const given = fromFlags({ hidden: "32, 16", learningRate: "3e-3", optimizer: "adamw", seed: "7", limit: "100" });
    const settings = resolveSettings("table", { training: { epochs: 3, learningRate: 1 }, seed: 1 }, given);
    expect(settings).toMatchObject({
      model: { hidden: [32, 16] }, training: { epochs: 3, learningRate: 0.003, optimizer: "adamw", weightDecay: 0.01 }, seed: 7, data: { limit: 100 },
    });
  });

  it("have a variable for every setting", () => {
    const variables = settingPaths.map(variableOf);
    expect(new Set(variables).size).toBe(settingPaths.length);
    expect(variables).toContain("DORMOUSE_TRAINING_LEARNING_RATE");
    expect(variables).toContain("DORMOUSE_SEED");
  });

  it.each([
    ["data.columns=age,3,kind", ["data", "columns"], ["age", "3", "kind"]],
    ["data.target=3", ["data", "target"], "3"],
    ["data.target=a=b", ["data", "target"], "a=b"],
    ["data.missing=", ["data", "missing"], [""]],
    ["data.types={zip: category, age: number}", ["data", "types"], { zip: "category", age: "number" }],
    ["data.header=false", ["data", "header"], false],
    ["data.delimiter=,", ["data", "delimiter"], ","],
    ["model.hidden=[8, 4]", ["model", "hidden"], [8, 4]],
    ["model.hidden=8", ["model", "hidden"], [8]],
    ["training.patience=null", ["training", "patience"], null],
    ["training.learningRate=.5E-2", ["training", "learningRate"], 0.005],
    ["seed=9007199254740991", ["seed"], 9007199254740991],
  ])("read --set %s", (words, path, value) => {
    expect(valueAt(readLayers({ set: [words] }).settings, path)).toEqual(value);
  });

  it.each([
    [{ epochs: "0" }, "--epochs 0: must be a whole number of at least 1"],
    [{ epochs: "ten" }, "--epochs ten: must be a whole number of at least 1"],
    [{ epochs: "0x10" }, "--epochs 0x10: must be a whole number of at least 1"],
    [{ epochs: "1e400" }, "--epochs 1e400: must be a whole number of at least 1"],
    [{ batch: "1.5" }, "--batch 1.5: must be a whole number of at least 1"],
    [{ hidden: "64,,32" }, "--hidden 64,,32: must be a whole number of at least 1"],
    [{ dropout: "1" }, "--dropout 1: must be a number from 0 and below 1"],
    [{ learningRate: "-1" }, "--learning-rate -1: must be a number from 0"],
    [{ learningRate: "NaN" }, "--learning-rate NaN: must be a number from 0"],
    [{ optimizer: "adm" }, "--optimizer adm: must be one of adam, adamw, sgd; did you mean adam?"],
    [{ optimizer: "newton" }, "--optimizer newton: must be one of adam, adamw, sgd"],
    [{ model: "forest" }, "--model forest: must be one of "],
    [{ device: "gpu" }, "--device gpu: must be one of cpu, reference, webgpu; did you mean cpu?"],
    [{ seed: "" }, "--seed : must be a whole number of at least 0"],
    [{ delimiter: "comma" }, '--delimiter comma: must be one of ,, ;, tab, |, blanks'],
  ])("refuse %j", (flags, message) => {
    expect(() => readLayers({ flags })).toThrow(message);
  });

  it.each([
    ["training.epoch=3", "--set training.epoch=3: there is no setting training.epoch; did you mean training.epochs?"],
    ["trainng.epochs=3", "--set trainng.epochs=3: there is no setting trainng.epochs; did you mean training.epochs?"],
    ["epochs=3", "--set epochs=3: there is no setting epochs; did you mean training.epochs?"],
    ["training=3", "--set training=3: training is a section; its settings are training.epochs, "],
    ["seed.x=3", "--set seed.x=3: there is no setting seed.x"],
    ["training.epochs", "--set training.epochs: must be a setting and a value, as training.epochs=3"],
    ["training.epochs=ten", "--set training.epochs=ten: must be a whole number of at least 1"],
    ["data.types=number", "--set data.types=number: must be kinds of columns by name"],
    ["__proto__.x=1", "there is no setting __proto__.x"],
    ["constructor=1", "there is no setting constructor"],
  ])("refuse --set %s", (words, message) => {
    expect(() => readLayers({ set: [words] })).toThrow(message);
  });

  it("refuse variables that only look like settings, and leave those of others alone", () => {
    expect(() => readLayers({ environment: { DORMOUSE_TRAINING_EPOCH: "3" } })).toThrow(
      "DORMOUSE_TRAINING_EPOCH: there is no such setting; did you mean DORMOUSE_TRAINING_EPOCHS?",
    );
    expect(() => readLayers({ environment: { DORMOUSE_SEED: "x" } })).toThrow("DORMOUSE_SEED=x: must be a whole number of at least 0");
    expect(readLayers({ environment: { DORMOUSE_GRAPHS: "3", DORMOUSE_DATA: "folder" } }).settings).toEqual({});
  });
});

describe("files of settings", () => {
  it.each([
    ["training:\n  epochs: 3\n  epoch: 3\n", ":3: there is no setting training.epoch; did you mean training.epochs?"],
    ["seed: 1\ntrainig:\n  epochs: 3\n", ":2: there is no setting trainig; did you mean training?"],
    ["# first\n\ntraining:\n  epochs: ten\n", ":4: training.epochs ten: must be a whole number of at least 1"],
    ["training:\n  optimizer: adamW\n", ":2: training.optimizer adamW: must be one of adam, adamw, sgd; did you mean adamw?"],
    ["model:\n  hidden:\n    - 8\n    - -1\n", ":2: model.hidden [8,-1]: must be a whole number of at least 1"],
    ["epochs: 3\n", ":1: there is no setting epochs; did you mean training.epochs?"],
    ["training: 3\n", ':1: training must be a section of settings, as "training: {'],
    ["- a\n", ':1: a file of settings must be a section of settings, as "training: {epochs: 3}"'],
    ["just words\n", ":1: a file of settings must be a section"],
    ["seed: 1\nseed: 2\n", ":2: Map keys must be unique"],
    ["seed: 1\ntraining: {epochs: 3\n", ":3: Flow map in block collection must be sufficiently indented and end with a }"],
    ["seed: 1\n  epochs: 3\n", ":1: Nested mappings are not allowed"],
    ["seed: .nan\n", ":1: seed NaN: must be a whole number of at least 0"],
    ["data:\n  types: {zip: text, age: numbr}\n", ":2: data.types"],
  ])("%j are refused with the line", (text, message) => {
    const file = work.write("bad.yaml", text);
    expect(() => readLayers({ config: [file] })).toThrow(`${file}${message}`);
  });

  it.each(["", "# nothing\n", "training:\n", "\ufeffseed: 0\r\n", "seed: 0\n"])("%j are fine", (text) => {
    expect(problemsOf(work.write("good.yaml", text))).toEqual([]);
  });

  it("take anchors and quotes as YAML does", () => {
    const file = work.write("anchors.yaml", "training: &t\n  epochs: 3\nmodel:\n  hidden: [&w 8, *w]\ndata:\n  target: \"3\"\n");
    expect(readLayers({ config: [file] }).settings).toEqual({ training: { epochs: 3 }, model: { hidden: [8, 8] }, data: { target: "3" } });
  });

  it("name a file that is not there", () => {
    expect(() => readLayers({ config: ["none.yaml"] })).toThrow("none.yaml: there is no such file or folder");
  });
});

describe("train", () => {
  it("takes settings from everywhere, and its configuration repeats it", async () => {
    const file = work.write("run.yaml", `data:\n  path: ${work.at("flowers.csv")}\n  target: kind\ntraining:\n  epochs: 9\n`);
    const environment = { DORMOUSE_TRAINING_BATCH: "16" };
    const words = ["train", "--config", file, "--set", "training.epochs=2", "--json", "--threads", "1"];
    const first = JSON.parse((await work.run(words, undefined, environment)).out);
    const resolved = `${first.runDir}/config.resolved.yaml`;
    expect(readFileSync(resolved, "utf8")).toMatch(/epochs: 2\n {2}batch: 16\n/);
    const again = JSON.parse((await work.run(["train", "--config", resolved, "--json"])).out);
    expect(again.metrics).toEqual(first.metrics);
    expect(readFileSync(`${again.runDir}/config.resolved.yaml`, "utf8")).toBe(readFileSync(resolved, "utf8"));
  });

  it("refuses a file of settings before it reads data", async () => {
    const file = work.write("typo.yaml", "training:\n  epocs: 9\n");
    expect(await work.run(["train", "none.csv", "--config", file])).toEqual({
      code: 2, out: "", error: `dormouse: ${file}:2: there is no setting training.epocs; did you mean training.epochs?\n`,
    });
  });
});

describe("nearest", () => {
  it.each([["", "", 0], ["abc", "", 3], ["kitten", "sitting", 3], ["ab", "ba", 1], ["CA", "abc", 3], ["epochs", "Epochs", 0]])(
    "%s and %s are %i apart", (a, b, distance) => {
      expect(editDistance(a, b)).toBe(distance);
      expect(editDistance(b, a)).toBe(distance);
    },
  );

  it("does not guess wildly", () => {
    expect(nearest("learning_rate", ["learningRate", "batch"])).toBe("learningRate");
    expect(nearest("x", ["epochs"])).toBeUndefined();
    expect(nearest("forest", ["mlp", "cnn", "linear"])).toBeUndefined();
  });
});
