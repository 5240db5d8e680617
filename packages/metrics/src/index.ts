/** `@dormouse/metrics`: how good predictions are, and how far to trust them. */
export { type AccuracyOptions, type TopKOptions, accuracy, topKAccuracy } from "./accuracy.ts";
