/** How a run ends other than by its last epoch, and what it is then left with. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { dataset } from "@dormouse/data";
import { mse } from "@dormouse/losses";
import { Linear, Sequential } from "@dormouse/nn";
import { adam, chain, clipByGlobalNorm, cosineDecay, ema, sgd, weightEma } from "@dormouse/optim";
import { key, log, matmul, mul, relu, setDevice, sqrt, square, sub, sum, tensor, treeLeaves } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type Callback, DivergedError, type EpochReport, type StepReport, checkpoint, earlyStopping, fit, load, reduceRate } from "@dormouse/train";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SmallModel, scoresOf, small, smallModel } from "./support.ts";

let device: Device;
let folder: string;
beforeAll(async () => setDevice((device = await cpu({ threads: 1 }))));
afterAll(() => device[Symbol.asyncDispose]());
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "dormouse-stops-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const bits = async (tree: unknown): Promise<string[]> =>
  Promise.all(treeLeaves(tree).map(async (leaf) => Buffer.from((await leaf.data()).slice().buffer).toString("hex")));

/** Inputs 1, 1, 1 …, one of which is changed; targets 0. */
const column = (count: number, at: number, value: number) => {
  const x = Float32Array.from({ length: count }, (_, i) => (i === at ? value : 1));
  return dataset({ x: { data: x, shape: [count, 1] }, y: { data: new Float32Array(count), shape: [count, 1] } }, { check: "none" });
};

const failureOf = async (run: Promise<unknown>): Promise<DivergedError> => {
  const error = await run.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(DivergedError);
  return error as DivergedError;
};

describe("a number that is not finite", () => {
  const large = () => Object.assign(new Linear(1, 3, { key: key(0) }), { weight: tensor([[5], [1], [-2]]) });
  const first = () => new Sequential(large(), relu, new Linear(3, 1, { key: key(1) }));
  const rate = sgd({ learningRate: 0.01 });

  it.each([
    ["the input x", NaN, mse],
    ["the input x", Infinity, mse],
    ["the output of layers.0", 3e38, mse],
    ["the loss", 1e25, mse],
  ])("%s, from an input of %d", async (name, value, loss) => {
    const error = await failureOf(fit(first(), { data: { train: column(6, 2, value) }, loss, optimizer: rate, batch: 6, epochs: 3 }));
    expect(error).toMatchObject({ tensor: name, step: 0, epoch: 0 });
    expect(error.message).toContain(`fit: ${name} is not finite at step 0 of epoch 0; lower the learning rate, clip gradients`);
  });

  it("the gradient of a weight, where the loss is finite", async () => {
    // √w is 0 at 0, and its slope there is infinite.
    const run = fit({ offset: tensor([1]), weight: tensor([0]) }, {
      data: { train: column(4, 0, 1) }, loss: (outputs) => sum(outputs), optimizer: rate, batch: 4,
      forward: ({ offset, weight }) => mul(offset, sqrt(weight)),
    });
    expect(await failureOf(run)).toMatchObject({ tensor: "the gradient of weight", step: 0 });
  });

  it("a weight, where its update was too large", async () => {
    const huge = { data: { train: column(4, 0, 1) }, loss: mse, optimizer: sgd({ learningRate: 3e38 }), epochs: 3 };
    const model = () => ({ weight: tensor([[1e3]]) });
    const forward = ({ weight }: ReturnType<typeof model>, x: Parameters<typeof matmul>[0]) => matmul(x, weight);
    expect(await failureOf(fit(model(), { ...huge, batch: 4, forward }))).toMatchObject({ tensor: "after its update the weight weight", step: 0, epoch: 0 });
    // Where another step follows in the epoch, it is the first to meet the weight.
    expect(await failureOf(fit(model(), { ...huge, batch: 2, forward }))).toMatchObject({ tensor: "the weight weight", step: 1, epoch: 0 });
  });

  it("names the step among many, in a later epoch, and keeps the checkpoint of the epoch before", async () => {
    // The loss is -log of a weight that shrinks by 0.07 a step: below 0 it is NaN.
    const model = { weight: tensor([1]) };
    const options = {
      data: { train: column(10, 0, 1) }, optimizer: sgd({ learningRate: 0.07 }), batch: 1, epochs: 9,
      loss: (outputs: Parameters<typeof sum>[0]) => sum(outputs),
      forward: ({ weight }: typeof model) => sub(weight, mul(log(weight), 0)),
      callbacks: [checkpoint<typeof model>(folder)],
    };
    // Weights of 0.93, 0.86 … after each step; after 14 steps 0.02, after 15 below 0: step 15 is step 5 of epoch 1.
    expect(await failureOf(fit(model, options))).toMatchObject({ step: 5, epoch: 1, tensor: "the output of the model" });
    const { model: kept } = await load(join(folder, "last.safetensors"), { model: { weight: tensor([0]) } });
    expect((await kept.weight.data())[0]).toBeCloseTo(0.3, 5);
  });
});

describe("time", () => {
  const slow = (milliseconds: number) => {
    const { train, validation } = small().data;
    const batch = (rows: Uint32Array, epoch: number) => {
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
      return train.batch(rows, epoch);
    };
    return { train: { length: train.length, batch } as never, validation: validation! };
  };

  it("ends the epoch where the budget is spent, validates and keeps it", async () => {
    const run = await fit(smallModel(), small({ data: slow(50), epochs: 100, maxSeconds: 0.6, callbacks: [checkpoint(folder)] }));
    expect(run.reason).toBe("out of time");
    // Batches take 50 ms at least, so there were twelve at most, of seven each.
    expect(run.history.length).toBeLessThanOrEqual(2);
    const last = run.history.at(-1)!;
    expect(Object.keys(last.validation!)).toEqual(["loss", "accuracy"]);
    const seconds = run.history.reduce((total, epoch) => total + epoch.seconds, 0);
    expect(seconds).toBeGreaterThanOrEqual(0.6);
    const again = await fit(smallModel(), small({ data: slow(50), epochs: 100, maxSeconds: 0.6, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(again).toMatchObject({ reason: "out of time", history: run.history });
    expect(await bits(again.model)).toEqual(await bits(run.model));
  });

  it("counts what an interrupted epoch has taken", async () => {
    const stop = new AbortController();
    const data = slow(60);
    const watch: Callback<SmallModel> = { step: () => stop.abort() };
    const first = await fit(smallModel(), small({ data, signal: stop.signal, callbacks: [checkpoint(folder), watch] }));
    expect(first).toMatchObject({ reason: "aborted", history: [] });
    expect(first.seconds).toBeGreaterThan(0.2);
    const rest = await fit(smallModel(), small({ data, epochs: 1, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(rest.history[0]!.seconds).toBeGreaterThan(7 * 0.06);
  });

  it.each([0, -1, NaN])("refuses %d seconds", async (maxSeconds) => {
    await expect(fit(smallModel(), small({ maxSeconds }))).rejects.toThrow(`fit: maxSeconds ${maxSeconds} is not a number above 0`);
  });
});

describe("a resumed run", () => {
  it("has stopped if the one before had", async () => {
    const worse: Callback<SmallModel> = { epoch: (report) => void ((report as { validation: unknown }).validation = { loss: 1 + report.epoch }) };
    const callbacks = (resume: boolean) => [worse, checkpoint<SmallModel>(folder, { resume, restoreBest: true }), earlyStopping<SmallModel>({ patience: 2, restoreBest: false })];
    const first = await fit(smallModel(), small({ epochs: 9, callbacks: callbacks(false) }));
    const again = await fit(smallModel(8), small({ epochs: 9, callbacks: callbacks(true) }));
    expect(again).toMatchObject({ reason: "stopped early", history: first.history });
    expect(await bits(again.model)).toEqual(await bits(first.model));
  });

  it("goes on where it was interrupted in the validation, after no further step", async () => {
    const whole = await fit(smallModel(), small({ epochs: 2 }));
    const stop = new AbortController();
    const { train, validation } = small().data;
    const interrupting = { length: validation!.length, batch: (rows: Uint32Array, epoch: number) => (stop.abort(), validation!.batch(rows, epoch)) };
    const first = await fit(smallModel(), small({ epochs: 2, data: { train, validation: interrupting as never }, signal: stop.signal, callbacks: [checkpoint(folder)] }));
    expect(first).toMatchObject({ reason: "aborted", step: 7, history: [] });
    const rest = await fit(smallModel(9), small({ epochs: 2, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(scoresOf(rest.history)).toEqual(scoresOf(whole.history));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
  });

  it("keeps losses that JSON has no numbers for", async () => {
    const odd: Callback<SmallModel> = { epoch: (report) => void ((report as { validation: unknown }).validation = { loss: [Infinity, NaN, -Infinity][report.epoch] }) };
    await fit(smallModel(), small({ epochs: 3, callbacks: [odd, checkpoint(folder)] }));
    const { history } = await fit(smallModel(), small({ epochs: 3, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(history.map(({ validation }) => validation!["loss"])).toEqual([Infinity, NaN, -Infinity]);
  });

  it("is refused for another identity, and cleans up after a killed one", async () => {
    await fit(smallModel(), small({ epochs: 1, callbacks: [checkpoint(folder, { identity: { seed: "1", data: "a" } })] }));
    writeFileSync(join(folder, "last.safetensors.123.tmp"), "torn");
    const resume = (identity: Record<string, string>) => fit(smallModel(), small({ epochs: 1, callbacks: [checkpoint(folder, { resume: true, identity })] }));
    await resume({ seed: "1", data: "a" });
    expect(readdirSync(folder).sort()).toEqual(["best.safetensors", "last.safetensors"]);
    await expect(resume({ seed: "1", data: "b" })).rejects.toThrow("is of a run with another data; go on with what the run began with");
  });

  it("saves within an epoch as often as it is asked to", async () => {
    const { train, validation } = small().data;
    const wait = (rows: Uint32Array, epoch: number) => {
      const end = performance.now() + 80;
      while (performance.now() < end);
      return train.batch(rows, epoch);
    };
    const steps: number[] = [];
    const watch: Callback<SmallModel> = {
      async step(_, { step }) {
        const { totals } = await load(join(folder, "last.safetensors"), { totals: { steps: tensor(0, { dtype: "int32" }) } });
        if ((await totals.steps.item()) === step) steps.push(step);
      },
    };
    await fit(smallModel(), small({ epochs: 1, data: { train: { length: train.length, batch: wait } as never, validation: validation! }, callbacks: [checkpoint(folder, { every: 0.1 }), watch] }));
    expect(steps.length).toBeGreaterThan(0);
  });
});

describe("reduceRate", () => {
  const losses = (values: readonly number[]): Callback<SmallModel> => ({
    epoch: (report) => void ((report as { validation: unknown }).validation = { loss: values[report.epoch]! }),
  });
  const values = [3, 2, 2, 2, 2, 1, 1, 1];
  const rates = (history: readonly EpochReport[]) => history.map(({ learningRate }) => Number(learningRate!.toPrecision(6)));

  it("lowers the rate after epochs that were no better", async () => {
    const run = await fit(smallModel(), small({ epochs: 8, optimizer: adam({ learningRate: 0.08 }), callbacks: [losses(values), reduceRate({ factor: 0.5, patience: 1 })] }));
    // Worse are epochs 2, 3 and 4, 6 and 7: the second in a row halves the rate of what follows.
    expect(rates(run.history)).toEqual([0.08, 0.08, 0.08, 0.08, 0.04, 0.04, 0.04, 0.04]);
  });

  it("goes on bit for bit, however often it is resumed", async () => {
    const callbacks = () => [losses(values), checkpoint<SmallModel>(folder, { resume: true }), reduceRate<SmallModel>({ factor: 0.5, patience: 0 })];
    const run = (epochs: number) => fit(smallModel(), small({ epochs, callbacks: callbacks() }));
    const whole = await run(8);
    rmSync(join(folder, "last.safetensors"));
    for (const epochs of [3, 4, 5]) await run(epochs);
    const rest = await run(8);
    expect(rates(rest.history)).toEqual(rates(whole.history));
    expect(await bits([rest.model, rest.state])).toEqual(await bits([whole.model, whole.state]));
  });

  it("refuses a rate that a schedule decides", async () => {
    const optimizer = adam({ learningRate: cosineDecay(0.1, 10) });
    await expect(fit(smallModel(), small({ optimizer, callbacks: [reduceRate()] }))).rejects.toThrow("a schedule decides the rate");
  });
});

describe("gradients and averages", () => {
  it("reports the norm of the gradient before it is clipped, and clips it", async () => {
    // Of the loss mean (w x)² with x = 1 the slope is 2w: 8 at w = 4. Clipped to 0.5, w falls by 0.1 · 0.5 a step.
    const model = { weight: tensor([[4]]) };
    const reports: StepReport[] = [];
    const run = await fit(model, {
      data: { train: column(1, 0, 1) }, loss: (outputs) => sum(square(outputs)), epochs: 3, batch: 1,
      optimizer: chain(clipByGlobalNorm(0.5), sgd({ learningRate: 0.1 })), forward: ({ weight }, x) => matmul(x, weight),
      callbacks: [{ step: (report) => void reports.push(report) }],
    });
    expect((await run.model.weight.data())[0]).toBeCloseTo(3.85, 5);
    run.history.forEach(({ gradientNorm, learningRate }, i) => {
      expect(gradientNorm!).toBeCloseTo(2 * (4 - 0.05 * i), 5);
      expect(learningRate).toBeCloseTo(0.1, 7);
    });
  });

  it("validates and returns the average of the weights, and resumes it", async () => {
    const averaging = weightEma({ decay: 0.9 });
    const whole = await fit(smallModel(), small({ epochs: 3, averaging }));
    const raw = await fit(smallModel(), small({ epochs: 3 }));
    // The run is the same, only what is validated and returned differs.
    expect(await bits(whole.state)).toEqual(await bits(raw.state));
    expect(await bits(whole.model)).not.toEqual(await bits(raw.model));
    expect(whole.history[2]!.validation).not.toEqual(raw.history[2]!.validation);
    await fit(smallModel(), small({ epochs: 1, averaging, callbacks: [checkpoint(folder)] }));
    const rest = await fit(smallModel(), small({ epochs: 3, averaging, callbacks: [checkpoint(folder, { resume: true })] }));
    expect(await bits(rest.model)).toEqual(await bits(whole.model));
    expect(await bits((await load(join(folder, "best.safetensors"), { model: smallModel() })).model)).not.toEqual(await bits(raw.model));
  });

  it("averages every step, as by hand", async () => {
    const model = () => ({ weight: tensor([[4]], { dtype: "float64" }) });
    const seen: number[] = [];
    const options = {
      data: { train: dataset({ x: { data: Float64Array.of(1, 1), shape: [2, 1] }, y: { data: new Float64Array(2), shape: [2, 1] } }) },
      loss: mse, optimizer: sgd({ learningRate: 0.1 }), epochs: 1, batch: 1, forward: ({ weight }: ReturnType<typeof model>, x: Parameters<typeof matmul>[0]) => matmul(x, weight),
    };
    const run = await fit(model(), { ...options, averaging: weightEma({ decay: 0.5 }) });
    // w: 4, 3.2, 2.56. The average begins with the first weights that enter, 3.2, and is (3.2 + 2.56) / 2 then.
    seen.push((await run.model.weight.data())[0]!);
    expect(seen[0]).toBeCloseTo(2.88, 6);
    expect(await ema(tensor([3.2]), tensor([2.56]), { decay: 0.5 }).item()).toBeCloseTo(seen[0]!, 6);
  });
});
