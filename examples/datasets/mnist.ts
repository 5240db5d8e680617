/** Handwritten digits on 70 000 small images (LeCun, Cortes and Burges 1998): a small convolutional network. */
import { cpu } from "@dormouse/backend-cpu";
import { dataset } from "@dormouse/data";
import { readIdx } from "@dormouse/formats";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Conv2d, Flatten, Linear, MaxPool2d, Sequential } from "@dormouse/nn";
import { adam, cosineDecay } from "@dormouse/optim";
import { cast, div, key, relu, reshape, setDevice, split } from "@dormouse/tensor";
import { evaluateModel, fit, progress } from "@dormouse/train";
import { readData, report } from "./data.ts";

setDevice(await cpu());
async function images(part: "train" | "t10k") {
  const x = readIdx(await readData(`mnist/${part}-images-idx3-ubyte.gz`));
  const y = readIdx(await readData(`mnist/${part}-labels-idx1-ubyte.gz`));
  return dataset({ x, y }).map(({ x, y }) => ({
    x: reshape(div(cast(x, "float32"), 255), [-1, 1, 28, 28]),
    y: cast(y, "int32"),
  }));
}

const [train, test] = [await images("train"), await images("t10k")];

const [epochs, batch] = [3, 128];
const [k1, k2, k3] = split(key(0), 3);
const model = new Sequential(
  new Conv2d(1, 16, 3, { key: k1, padding: 1 }), relu, new MaxPool2d(2),
  new Conv2d(16, 32, 3, { key: k2, padding: 1 }), relu, new MaxPool2d(2),
  new Flatten(), new Linear(32 * 7 * 7, 10, { key: k3 }),
);
const run = await fit(model, {
  data: { train },
  loss: crossEntropy,
  optimizer: adam({ learningRate: cosineDecay(2e-3, epochs * Math.ceil(train.length / batch)) }),
  epochs,
  batch,
  callbacks: [progress()],
});

const scores = await evaluateModel(run.model, test, { loss: crossEntropy, metrics: { accuracy } });
report("mnist CNN 16-32", { accuracy: [scores["accuracy"]!, 0.984] });
