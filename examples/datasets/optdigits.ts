/**
 * Handwritten digits as 8×8 counts of pixels (Alpaydin and Kaynak 1998): trained on the digits of 30 writers and judged
 * on those of 13 others.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import { key, relu, setDevice, split } from "@dormouse/tensor";
import { evaluateModel, fit } from "@dormouse/train";
import { readData, report } from "./data.ts";

setDevice(await cpu());
const train = readCsv(await readData("optdigits/optdigits.tra"), { header: false });
const test = readCsv(await readData("optdigits/optdigits.tes"), { header: false });
const features = fitFeatures(train, { target: "column65", scale: "minMax" });

const [k1, k2] = split(key(0));
const model = new Sequential(new Linear(features.names.length, 64, { key: k1 }), relu, new Linear(64, 10, { key: k2 }));
const run = await fit(model, {
  data: { train: features.dataset(train) },
  loss: crossEntropy,
  optimizer: adam({ learningRate: 2e-3 }),
  epochs: 30,
});

const scores = await evaluateModel(run.model, features.dataset(test), { loss: crossEntropy, metrics: { accuracy } });
report("optdigits MLP 64", { accuracy: [scores["accuracy"]!, 0.956] });
