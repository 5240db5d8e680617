/** `@dormouse/data`: datasets, seeded loaders, splits, readers and generators. */
export { type AugmentationOptions, imageAugmentation } from "./augment.ts";
export { type Batch, type BatchContext, Dataset, type FieldChange, type Source, dataset } from "./dataset.ts";
export type { Field, FieldInput, HostArray, ValueCheck } from "./field.ts";
export { type Loaded, type Loader, type LoaderOptions, loader } from "./loader.ts";
export { Random } from "./random.ts";
export {
  type Bootstrap,
  type DealOptions,
  type Fold,
  type Fractions,
  type Labels,
  type Parts,
  type SplitDatasetOptions,
  type SplitOptions,
  bootstrap,
  kFold,
  splitDataset,
  splitIndices,
  weightedSample,
} from "./split.ts";
export {
  type Samples,
  type SamplesOptions,
  linearSamples,
  polynomialSamples,
  samples,
  sineSamples,
} from "./generators/curves.ts";
export { type DigitsOptions, digits } from "./generators/digits.ts";
export {
  type Gate,
  type Points,
  type PointsOptions,
  blobs,
  circles,
  gate,
  moons,
  spirals,
} from "./generators/points.ts";
export type { Encoding } from "./csv/decode.ts";
export {
  type FeatureMatrix,
  type FeatureOptions,
  Features,
  type FeaturesJson,
  type Scaling,
  type Target,
  featuresFromJSON,
  fitFeatures,
} from "./csv/features.ts";
export type { Delimiter } from "./csv/parse.ts";
export { type Column, type CsvOptions, Table, readCsv } from "./csv/table.ts";
export type { ColumnType, Decimal } from "./csv/types.ts";
export { type RecordOptions, type TableRecord, readJsonLines, tableOf } from "./csv/records.ts";
