/** Ten kinds of clothes on 70 000 small images (Xiao, Rasul and Vollgraf 2017): a network with two hidden layers. */
import { cpu } from "@dormouse/backend-cpu";
import { dataset } from "@dormouse/data";
import { readIdx } from "@dormouse/formats";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adam, cosineDecay } from "@dormouse/optim";
import { cast, div, key, relu, reshape, setDevice, split } from "@dormouse/tensor";
import { evaluateModel, fit, progress } from "@dormouse/train";
import { readData, report } from "./data.ts";

setDevice(await cpu());
async function images(part: "train" | "t10k") {
  const x = readIdx(await readData(`fashion-mnist/${part}-images-idx3-ubyte.gz`));
  const y = readIdx(await readData(`fashion-mnist/${part}-labels-idx1-ubyte.gz`));
  return dataset({ x, y }).map(({ x, y }) => ({ x: reshape(div(cast(x, "float32"), 255), [-1, 784]), y: cast(y, "int32") }));
}
const [train, test] = [await images("train"), await images("t10k")];

const [epochs, batch] = [10, 128];
const [k1, k2, k3] = split(key(0), 3);
const model = new Sequential(
  new Linear(784, 256, { key: k1 }), relu, new Linear(256, 128, { key: k2 }), relu, new Linear(128, 10, { key: k3 }),
);
const run = await fit(model, {
  data: { train },
  loss: crossEntropy,
  optimizer: adam({ learningRate: cosineDecay(1e-3, epochs * Math.ceil(train.length / batch)) }),
  epochs,
  batch,
  callbacks: [progress()],
});

const scores = await evaluateModel(run.model, test, { loss: crossEntropy, metrics: { accuracy } });
report("fashion-mnist MLP 784-256-128-10", { accuracy: [scores["accuracy"]!, 0.883] });
