import { describe, expect, it } from "vitest";
import { fromFlags, resolveSettings } from "../src/settings.ts";

describe("settings", () => {
  it.each([
    ["digits", { hidden: [256, 128], epochs: 10, batch: 128, learningRate: 2e-3, schedule: "cosine", patience: null }],
    ["idx", { hidden: [256, 128], epochs: 10, batch: 128, learningRate: 2e-3, schedule: "cosine", patience: null }],
    ["csv", { hidden: [64], epochs: 200, batch: 32, learningRate: 1e-3, schedule: "constant", patience: 20 }],
  ] as const)("has defaults for %s", (source, { hidden, ...training }) => {
    const settings = resolveSettings(source);
    expect(settings.model.hidden).toEqual(hidden);
    expect(settings.training).toMatchObject(training);
    expect(settings).toMatchObject({ seed: 0, device: "cpu", threads: null });
  });

  it("reads flags of every kind, and lets them win over a file", () => {
    const given = fromFlags({ hidden: "32, 16", learningRate: "3e-3", optimizer: "adamw", seed: "7", limit: "100" });
    const settings = resolveSettings("csv", { training: { epochs: 3, learningRate: 1 }, seed: 1 }, given);
    expect(settings).toMatchObject({
      model: { hidden: [32, 16] }, training: { epochs: 3, learningRate: 0.003, optimizer: "adamw", weightDecay: 0.01 }, seed: 7, data: { limit: 100 },
    });
  });

  it.each([
    [{ epochs: "0" }, "--epochs 0: must be a whole number of at least 1"],
    [{ epochs: "ten" }, "--epochs ten: must be a whole number of at least 1"],
    [{ epochs: "0x10" }, "--epochs 0x10: must be a whole number of at least 1"],
    [{ batch: "1.5" }, "--batch 1.5: must be a whole number of at least 1"],
    [{ hidden: "64,,32" }, "--hidden : must be a whole number of at least 1"],
    [{ dropout: "1" }, "--dropout 1: must be a number from 0 and below 1"],
    [{ learningRate: "-1" }, "--learning-rate -1: must be a number from 0"],
    [{ learningRate: "NaN" }, "--learning-rate NaN: must be a number from 0"],
    [{ optimizer: "adm" }, "--optimizer adm: must be one of adam, adamw, sgd"],
    [{ model: "forest" }, "--model forest: must be one of mlp, linear, cnn"],
    [{ device: "gpu" }, "--device gpu: must be one of cpu, reference, webgpu"],
    [{ seed: "" }, "--seed : must be a whole number of at least 0"],
  ])("refuses %j", (flags, message) => {
    expect(() => resolveSettings("digits", fromFlags(flags))).toThrow(message);
  });
});
