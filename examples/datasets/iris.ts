/**
 * The species of 150 irises from four measurements (R. A. Fisher 1936): softmax regression, whose loss is convex,
 * fitted to the end by L-BFGS.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { crossEntropy, l2Penalty } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { Linear } from "@dormouse/nn";
import { minimize } from "@dormouse/optim";
import { add, key, setDevice } from "@dormouse/tensor";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const { train, test } = await holdOut("iris", readCsv(await readData("iris/iris.csv")));
const features = fitFeatures(train, { target: "species" });
const { x, y } = features.dataset(train).batch();
const judged = features.dataset(test).batch();

const loss = (model: Linear) =>
  add(crossEntropy(model.forward(x), y, { reduction: "sum" }), l2Penalty(model, { include: (path) => path === "weight" }));
const { params: model } = await minimize(valueAndGrad(loss), new Linear(features.names.length, 3, { key: key(0) }));

const found = await accuracy(model.forward(judged.x), judged.y).item();
report("iris softmax regression", { accuracy: [found, 0.967] });
