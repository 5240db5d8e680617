/**
 * Who earns more than 50 000 dollars, by the census of 1994 (Becker and Kohavi 1996): eight of the columns are
 * categories, some cells are missing, and the two files differ in small things. Logistic regression, by Newton.
 */
import { cpu } from "@dormouse/backend-cpu";
import { fitFeatures, readCsv } from "@dormouse/data";
import { accuracy, rocAuc } from "@dormouse/metrics";
import { logisticRegression } from "@dormouse/optim";
import { add, matmul, setDevice } from "@dormouse/tensor";
import { readData, report } from "./data.ts";

const header = [
  "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
  "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
];

setDevice(await cpu());
const train = readCsv(await readData("adult/adult.data.gz"), { header });
// The test file begins with a comment, and its classes end in a full stop.
const text = new TextDecoder().decode(await readData("adult/adult.test.gz"));
const test = readCsv(text.replaceAll("K.\n", "K\n"), { header, comment: "|" });
const features = fitFeatures(train, { target: "income" });
const { x, y } = features.dataset(train).batch();
const judged = features.dataset(test).batch();

const { weights, intercept } = await logisticRegression(x, y, { l2: 1, intercept: true });

const logits = add(matmul(judged.x, weights), intercept);
report("adult logistic regression", {
  accuracy: [await accuracy(logits, judged.y).item(), 0.853],
  AUC: [await rocAuc(logits, judged.y), 0.9054],
});
