/**
 * How far diabetes progresses within a year, from ten measurements of 442 patients (Efron, Hastie, Johnstone and
 * Tibshirani 2004): least squares, in closed form. More flexible models do worse on so few noisy rows.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { r2 } from "@dormouse/metrics";
import { leastSquares } from "@dormouse/optim";
import { add, matmul, setDevice } from "@dormouse/tensor";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const { train, test } = await holdOut("diabetes", readCsv(await readData("diabetes/diabetes.csv")));
const features = fitFeatures(train, { target: "target", task: "regression" });
const { x, y } = features.dataset(train).batch();
const judged = features.dataset(test).batch();

const { weights, intercept } = leastSquares(x, y, { intercept: true });

const prediction = add(matmul(judged.x, weights), intercept);
report("diabetes least squares", { R2: [await r2(prediction, judged.y).item(), 0.428] });
