/** `@dormouse/data`: datasets, seeded loaders, splits, readers and generators. */
export { type Batch, Dataset, type Source, dataset } from "./dataset.ts";
export type { Field, FieldInput, HostArray, ValueCheck } from "./field.ts";
export { type Loaded, type Loader, type LoaderOptions, loader } from "./loader.ts";
export { Random } from "./random.ts";
export {
  type Bootstrap, type DealOptions, type Fold, type Fractions, type Labels, type Parts, type SplitDatasetOptions, type SplitOptions,
  bootstrap, kFold, splitDataset, splitIndices, weightedSample,
} from "./split.ts";
export { type Samples, type SamplesOptions, linearSamples, polynomialSamples, samples, sineSamples } from "./generators/curves.ts";
export { type DigitsOptions, digits } from "./generators/digits.ts";
export { type Gate, type Points, type PointsOptions, blobs, circles, gate, moons, spirals } from "./generators/points.ts";
