/**
 * Miles per gallon of 398 cars (R. Quinlan 1993). The file has no header, columns aligned with blanks, gaps marked `?`,
 * and an origin that is a number but means a continent.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { mse } from "@dormouse/losses";
import { r2 } from "@dormouse/metrics";
import { Linear, Sequential } from "@dormouse/nn";
import { adam } from "@dormouse/optim";
import { key, relu, setDevice, split } from "@dormouse/tensor";
import { fit } from "@dormouse/train";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const header = ["mpg", "cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin", "name"];
const table = readCsv(await readData("auto-mpg/auto-mpg.data"), { header, types: { origin: "category" } });
const { train, test } = await holdOut("auto-mpg", table);
const features = fitFeatures(train, { target: "mpg", task: "regression", exclude: ["name"] });

const [k1, k2] = split(key(0));
const model = new Sequential(new Linear(features.names.length, 64, { key: k1 }), relu, new Linear(64, 1, { key: k2 }));
const run = await fit(model, {
  data: { train: features.dataset(train) },
  loss: mse,
  optimizer: adam({ learningRate: 1e-3 }),
  epochs: 100,
});

const { x, y } = features.dataset(test).batch();
report("auto-mpg MLP 64", { R2: [await r2(run.model.forward(x), y).item(), 0.87] });
