/**
 * Whether a tumor is benign, by 30 measurements of cell nuclei (Wolberg, Street and Mangasarian 1993): logistic
 * regression with a penalty, by Newton's method.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { accuracy } from "@dormouse/metrics";
import { logisticRegression } from "@dormouse/optim";
import { add, matmul, setDevice } from "@dormouse/tensor";
import { holdOut, readData, report } from "./data.ts";

setDevice(await cpu());
const { train, test } = await holdOut("breast-cancer", readCsv(await readData("breast-cancer/wdbc.csv")));
const features = fitFeatures(train, { target: "benign" });
const { x, y } = features.dataset(train).batch();
const judged = features.dataset(test).batch();

const { weights, intercept } = await logisticRegression(x, y, { l2: 1, intercept: true });

const logits = add(matmul(judged.x, weights), intercept);
report("breast-cancer logistic regression", { accuracy: [await accuracy(logits, judged.y).item(), 0.982] });
