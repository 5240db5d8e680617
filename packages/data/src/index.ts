/** `@dormouse/data`: datasets, seeded loaders, splits, readers and generators. */
export { type AugmentationOptions, imageAugmentation } from "./augment.ts";
export { type Batch, type BatchContext, Dataset, type FieldChange, type FileArray, type Source, dataset } from "./dataset.ts";
export { examples } from "./examples.ts";
export type { Field, FieldInput, HostArray, ValueCheck } from "./field.ts";
export { type LabeledFiles, labeledFiles } from "./files.ts";
export { type ImagePixels, type PixelData, channelsFirst, resizeImage } from "./images.ts";
export { type KMeans, type KMeansOptions, kMeans } from "./k-means.ts";
export {
  type CorruptLabelsOptions,
  type PseudoLabelOptions,
  type PseudoLabels,
  corruptLabels,
  pseudoLabels,
} from "./labels.ts";
export { type Loaded, type Loader, type LoaderOptions, loader } from "./loader.ts";
export { type MaskOptions, type Masked, maskPatches, maskRandom } from "./mask.ts";
export { type LabeledBatch, type MixOptions, cutmix, mixup } from "./mix.ts";
export { type NeighborOptions, type Neighbors, nearestNeighbors } from "./neighbors.ts";
export { type ParquetOptions, type ParquetSource, readParquet, streamParquet } from "./parquet.ts";
export { Random } from "./random.ts";
export type { Rows } from "./rows.ts";
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
export { type WorkerFunction, type WorkersOptions, inWorkers } from "./workers.ts";
export {
  type CsvRecord,
  type StreamCsvOptions,
  streamCsv,
  streamJsonLines,
  streamLines,
} from "./stream/readers.ts";
export type { ExampleField, StreamExample } from "./stream/stack.ts";
export {
  type BatchOptions,
  type Items,
  Stream,
  type StreamContext,
  type StreamMapOptions,
  type StreamSource,
  stream,
} from "./stream/stream.ts";
export type { TextItems, TextOptions, TextSource } from "./stream/text.ts";
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
export {
  type ColumnSummary,
  type InspectOptions,
  type IssueKind,
  type NumberSummary,
  type TableIssue,
  type TableReport,
  inspectTable,
} from "./csv/quality.ts";
export { type Column, type CsvOptions, Table, readCsv } from "./csv/table.ts";
export type { ColumnType, Decimal } from "./csv/types.ts";
export { type TableOptions, type TableRecord, readJsonLines, tableOf } from "./csv/records.ts";
