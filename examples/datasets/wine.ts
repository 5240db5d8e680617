/** Which of three growers a wine is from, by 13 chemical measurements (Aeberhard and Forina 1991): a small network. */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adamW } from "@dormouse/optim";
import { key, relu, setDevice, split } from "@dormouse/tensor";
import { evaluateModel, fit } from "@dormouse/train";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const { train, test } = await holdOut("wine", readCsv(await readData("wine/wine.csv")));
const features = fitFeatures(train, { target: "class" });

const [k1, k2] = split(key(0));
const model = new Sequential(new Linear(features.names.length, 32, { key: k1 }), relu, new Linear(32, 3, { key: k2 }));
const run = await fit(model, {
  data: { train: features.dataset(train) },
  loss: crossEntropy,
  optimizer: adamW({ learningRate: 0.01, weightDecay: 0.01 }),
  epochs: 50,
});

const scores = await evaluateModel(run.model, features.dataset(test), { loss: crossEntropy, metrics: { accuracy } });
report("wine MLP 13-32-3", { accuracy: [scores["accuracy"]!, 0.972] });
