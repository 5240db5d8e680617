/** The loop that everybody writes, written once; then the model as a file, and back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@dormouse/backend-cpu";
import { digits, splitDataset } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import { cast, div, key, relu, reshape, setDevice, split } from "@dormouse/tensor";
import { checkpoint, earlyStopping, evaluateModel, fit, load, progress, save } from "@dormouse/train";

setDevice(await cpu());
const parts = splitDataset(digits({ count: 900, seed: 0 }), { fractions: { validation: 0.2 }, stratify: "y" });
const prepare = (part: typeof parts.train) =>
  part.map(({ x, y }) => ({ x: reshape(div(cast(x, "float32"), 255), [-1, 784]), y }));
const [train, validation] = [prepare(parts.train), prepare(parts.validation)];

const mlp = (seed: number) => {
  const [k1, k2] = split(key(seed));
  return new Sequential(new Linear(784, 64, { key: k1 }), relu, new Linear(64, 10, { key: k2 }));
};

const folder = await mkdtemp(join(tmpdir(), "dormouse-"));
const run = await fit(mlp(0), {
  data: { train, validation },
  loss: crossEntropy,
  optimizer: adam({ learningRate: 3e-3 }),
  epochs: 6,
  metrics: { accuracy },
  callbacks: [progress(), earlyStopping({ patience: 3 }), checkpoint(join(folder, "runs"))],
});
console.log(run.reason, run.history.length); // finished 6
console.log(run.history.at(-1)!.train.accuracy! > 0.8); // true

const path = join(folder, "model.safetensors");
await save(path, run.model);
const restored = await load(path, mlp(1));
const options = { loss: crossEntropy, metrics: { accuracy } };
const before = await evaluateModel(run.model, validation, options);
const after = await evaluateModel(restored, validation, options);
console.log(before.loss === after.loss, before.accuracy === after.accuracy); // true true
await rm(folder, { recursive: true });
