/**
 * The median price of a house in 20 640 districts of California (Pace and Barry 1997): a network with one hidden layer,
 * stopped when a tenth of the training rows, held back, says so.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv, splitDataset } from "@dormouse/data";
import { mse } from "@dormouse/losses";
import { r2 } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import { key, relu, setDevice, split } from "@dormouse/tensor";
import { earlyStopping, fit } from "@dormouse/train";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const { train, test } = await holdOut("california-housing", readCsv(await readData("california-housing/housing.csv")));
const features = fitFeatures(train, { target: "median_house_value", task: "regression" });

const [k1, k2] = split(key(0));
const model = new Sequential(new Linear(features.names.length, 64, { key: k1 }), relu, new Linear(64, 1, { key: k2 }));
const run = await fit(model, {
  data: splitDataset(features.dataset(train), { fractions: { validation: 0.1 } }),
  loss: mse,
  optimizer: adam({ learningRate: 2e-3 }),
  epochs: 200,
  batch: 128,
  callbacks: [earlyStopping({ patience: 15 })],
});

const { x, y } = features.dataset(test).batch();
report("california-housing MLP 64", { R2: [await r2(run.model.forward(x), y).item(), 0.755] });
