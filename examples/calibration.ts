/** Trust it: probabilities that mean what they say, sets that hold the truth as often as promised, and decisions by cost. */
import { cpu } from "@dormouse/backend-cpu";
import {
  accuracy, decide, expectedCalibrationError, logLoss, meanCost, meanSetSize, reliability, setCoverage, splitConformal,
  temperatureScaling,
} from "@dormouse/metrics";
import { type Tensor, categorical, key, mul, normal, setDevice, slice, softmax, split, tensor } from "@dormouse/tensor";

setDevice(await cpu());

// A network's logits that are right, but twice as large as they should be: labels are drawn from softmax(logits / 2).
const [k1, k2] = split(key(0));
const truth = mul(normal(k1, [6000, 4]), 1.5);
const allLabels = categorical(k2, truth);
const allLogits = mul(truth, 2);
const rows = (x: Tensor, from: number, to: number) => slice(x, [[from, to]]);
const [validationLogits, validationLabels] = [rows(allLogits, 0, 2000), rows(allLabels, 0, 2000)];
const [calibrationLogits, calibrationLabels] = [rows(allLogits, 2000, 4000), rows(allLabels, 2000, 4000)];
const [logits, labels] = [rows(allLogits, 4000, 6000), rows(allLabels, 4000, 6000)];

// How sure it is, and how often it is right.
const before = await reliability(softmax(logits), labels, { bins: 15 });
console.log(before.overconfidence > 0.1, before.count.length); // true 15

// Temperature scaling finds the factor on held-out examples; the order of classes, and so accuracy, stays.
const scaled = await temperatureScaling(validationLogits, validationLabels);
console.log(Math.abs(scaled.temperature - 2) < 0.2); // true
const probabilities = softmax(scaled.transform(logits));
const after = await expectedCalibrationError(probabilities, labels, { bins: 15 });
console.log(before.expectedError > 0.1, after < 0.04); // true true
console.log((await logLoss(probabilities, labels).item()) < (await logLoss(softmax(logits), labels).item())); // true
console.log((await accuracy(probabilities, labels).item()) === (await accuracy(logits, labels).item())); // true

// Sets that hold the label with probability 0.9, whatever the model: the threshold comes from examples it has not seen.
const conformal = await splitConformal(softmax(scaled.transform(calibrationLogits)), calibrationLabels, {
  alpha: 0.1, score: "aps", key: key(1),
});
const sets = conformal.sets(probabilities); // bool [2000, 4]
const coverage = await setCoverage(sets, labels).item();
console.log(sets.shape, Math.abs(coverage - 0.9) < 0.03, (await meanSetSize(sets).item()) < 3); // [ 2000, 4 ] true true

// Missing class 3 costs ten times as much as any other error: it is said while it is far from the likeliest.
const costs = tensor([[0, 1, 1, 10], [1, 0, 1, 10], [1, 1, 0, 10], [1, 1, 1, 0]]);
const cheapest = await meanCost(decide(probabilities, costs), labels, costs).item();
const likeliest = await meanCost(decide(probabilities, tensor([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]])), labels, costs).item();
console.log(cheapest < likeliest); // true
