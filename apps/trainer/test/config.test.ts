import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { resolveSettings, settingPaths } from "../src/settings.ts";
import { Workplace, flowers } from "./support.ts";

let work: Workplace;
let csv: string;
beforeAll(() => {
  work = new Workplace();
  csv = work.write("flowers.csv", flowers());
});
afterAll(() => work.remove());

describe("config print", () => {
  it("prints complete settings, and where they come from", async () => {
    const file = work.write("a.yaml", "training:\n  epochs: 7\nmodel:\n  hidden: [8, 4]\n");
    const { code, out } = await work.run(["config", "print", csv, "--config", file, "--batch", "9", "--set", "seed=3"], undefined, {
      DORMOUSE_TRAINING_PATIENCE: "null",
    });
    expect(code).toBe(0);
    expect(out).toContain(`epochs: 7 # ${file}:2\n`);
    expect(out).toContain("batch: 9 # --batch\n");
    expect(out).toContain("patience: null # DORMOUSE_TRAINING_PATIENCE\n");
    expect(out).toContain("seed: 3 # --set\n");
    const given = { training: { epochs: 7, batch: 9, patience: null }, model: { hidden: [8, 4] }, seed: 3 };
    expect(parse(out)).toEqual(resolveSettings("table", given, { data: { path: csv, name: "flowers" } }));
  });

  it("prints what it can read again", async () => {
    const first = (await work.run(["config", "print", csv, "--target", "kind"])).out;
    const file = work.write("b.yaml", first);
    expect(parse((await work.run(["config", "print", "--config", file])).out)).toEqual(parse(first));
    expect(await work.run(["config", "validate", file])).toEqual({ code: 0, out: `${file}: fine\n`, error: "" });
  });
});

describe("config validate", () => {
  it("tells every problem of every file", async () => {
    const [good, bad] = [work.write("good.yaml", "seed: 1\n"), work.write("bad.yaml", "sed: 1\ntraining:\n  epochs: 0\nmodel:\n  kind: mpl\n")];
    const { code, out, error } = await work.run(["config", "validate", good, bad]);
    expect(code).toBe(2);
    expect(out).toBe(`${good}: fine\n`);
    expect(error).toBe(
      `dormouse: ${bad}:1: there is no setting sed; did you mean seed?\n` +
        `dormouse: ${bad}:3: training.epochs 0: must be a whole number of at least 1\n` +
        `${error.trim().split("\n").at(-1)}\n`,
    );
    expect(error).toMatch(/:5: model.kind mpl: must be one of .*; did you mean mlp\?\n$/);
  });

  it.each([
    ["split: {by: group}\n", "--split group: by which column? --split-column <column>"],
    ["split: {column: x}\n", "--split-column x: goes with --split group, time or column, not with auto"],
    ["split: {train: 0.8}\n", "split: the shares (train 0.8, validation 0.1, calibration 0.1, test 0.1) add up to 1.1 instead of 1"],
  ])("knows that %j does not go together", async (text, message) => {
    const file = work.write("c.yaml", text);
    expect(await work.run(["config", "validate", file])).toEqual({ code: 2, out: "", error: `dormouse: ${file}: ${message}\n` });
  });
});

describe("config schema", () => {
  it("describes every setting and asks for none", async () => {
    const { out, code } = await work.run(["config", "schema"]);
    expect(code).toBe(0);
    const schema = JSON.parse(out);
    expect(schema.additionalProperties).toBe(false);
    expect(out).not.toContain('"required"');
    for (const path of settingPaths) {
      const at = path.reduce((node, key) => node.properties[key], schema);
      expect(at.description, path.join(".")).toMatch(/environment: DORMOUSE_[A-Z_]+$/);
    }
    expect(schema.properties.training.properties.epochs).toMatchObject({ type: "integer", minimum: 1 });
    expect(schema.properties.model.properties.dropout).toMatchObject({ minimum: 0, exclusiveMaximum: 1 });
  });
});
