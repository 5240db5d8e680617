/**
 * What a run is made of: every setting with its range, its default for each kind of data, and the flag that sets it.
 * One table drives the command line, the messages, the files and the variables of the environment. Where settings come
 * from is the business of `layers.ts`.
 */
import type { ColumnType } from "@dormouse/data";
import { z } from "zod";
import { Failure } from "./failure.ts";

const whole = (least: number) => {
  const error = `must be a whole number of at least ${least}`;
  return z.number({ error }).int({ error }).min(least, { error });
};
const number = (least: number, below: number, words: string) => {
  const error = `must be ${words}`;
  const schema = z.number({ error }).min(least, { error });
  return below === Infinity ? schema : schema.lt(below, { error });
};
const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `must be one of ${words.join(", ")}` });

const texts = (words: string) => z.array(z.string({ error: `must be ${words}` }), { error: `must be ${words}` });
const share = () => {
  const error = "must be a number above 0 and below 1";
  return z.number({ error }).gt(0, { error }).lt(1, { error });
};
const above = () => {
  const error = "must be a number above 0";
  return z.number({ error }).gt(0, { error });
};

const text = () => z.string({ error: "must be text" });
const truth = () => z.boolean({ error: "must be true or false" });

/** What a column can be taken for. */
const columnTypes = ["number", "binary", "category", "id", "date", "text", "constant", "empty"] as const satisfies readonly ColumnType[];

const costWords = "must be one list of costs for each decision, as [[0, 10], [1, 0]]";

const threadRange = "must be a whole number from 1 to 64";

export const settingsSchema = z.strictObject({
  data: z.strictObject({
    /** Where examples come from: drawn digits, a folder of IDX files, a CSV file. */
    source: oneOf("digits", "idx", "table"),
    /** Word for the run folder. */
    name: z.string({ error: "must be text" }).min(1, { error: "must be text" }),
    path: text().nullable(),
    target: text().nullable(),
    task: oneOf("regression", "classification").nullable(),
    limit: whole(1).nullable(),
    /** Names of the columns of a file without a header; with one, they replace it if `header` is true. */
    columns: texts("a list of names").nullable(),
    header: truth().nullable(),
    delimiter: oneOf(",", ";", "tab", "|", "blanks").nullable(),
    decimal: oneOf(".", ",").nullable(),
    encoding: oneOf("utf-8", "utf-16le", "utf-16be", "latin1").nullable(),
    /** Lines that begin with this are left out. */
    comment: text().nullable(),
    /** Cells that mean that a value is missing. */
    missing: texts("a list of cells").nullable(),
    ragged: oneOf("error", "skip"),
    /** Kinds of columns by name, in place of those found out. */
    types: z.record(z.string(), oneOf(...columnTypes), { error: "must be kinds of columns by name, as {zip: category}" }),
    /** Columns that a model does not see. */
    exclude: texts("a list of names"),
  }),
  split: z.strictObject({
    /** `auto` keeps the shares of classes, and deals out other rows at random. */
    by: oneOf("auto", "random", "stratified", "group", "time", "column"),
    /** The column of groups, of times, or of the names of parts. */
    column: text().nullable(),
    train: share(),
    validation: share(),
    calibration: share(),
    test: share(),
  }),
  model: z.strictObject({
    kind: oneOf("perceptron", "linear", "ridge", "logistic", "softmax", "mlp", "cnn"),
    hidden: z.array(whole(1), { error: "must be a list of widths" }),
    activation: oneOf("relu", "leakyRelu", "elu", "gelu", "silu", "tanh", "sigmoid"),
    /** What is normalized before the activation: each feature over a batch, or each example over its features. */
    norm: oneOf("none", "batch", "layer"),
    dropout: number(0, 1, "a number from 0 and below 1"),
    /** Weight of the squared weights in what ridge and logistic minimize. */
    penalty: number(0, Infinity, "a number from 0"),
    /** Models whose predictions are averaged. */
    members: whole(1),
  }),
  training: z.strictObject({
    epochs: whole(1),
    batch: whole(1),
    optimizer: oneOf("adam", "adamw", "sgd"),
    learningRate: number(0, Infinity, "a number from 0"),
    /** How the learning rate goes on: as it is, down to 0 along half a cosine, or lower whenever the loss stands still. */
    schedule: oneOf("constant", "cosine", "plateau"),
    /** Epochs without a better validation loss that a plateau bears, and what the rate is multiplied by after them. */
    plateauPatience: whole(0),
    plateauFactor: share(),
    weightDecay: number(0, Infinity, "a number from 0"),
    patience: whole(1).nullable(),
    /** The largest norm of the gradient. */
    clip: above().nullable(),
    /** In what forward and backward pass are computed: float32, or float16 around weights of float32. */
    precision: oneOf("float32", "mixed"),
    /** Share of the moving average of the weights that a step leaves; the average is the model. */
    ema: share().nullable(),
    /** Seconds of training. */
    maxSeconds: above().nullable(),
    /** Seconds between two saves within an epoch. */
    saveEvery: above(),
  }),
  calibration: z.strictObject({
    /** How probabilities are mended on the calibration part: `auto` is temperature, or platt for two classes. */
    method: oneOf("auto", "none", "temperature", "platt", "beta", "isotonic"),
    /** How often a conformal set or interval may miss the truth. */
    alpha: share(),
    /** What makes sets of classes: `lac` the smallest, `aps` and `raps` larger for examples that are harder. */
    conformal: oneOf("lac", "aps", "raps"),
    /** What a decision (row) costs when a class (column) is true; null: every error costs 1. */
    costs: z.array(z.array(z.number({ error: costWords }), { error: costWords }).min(2, { error: costWords }), { error: costWords }).min(1, { error: costWords }).nullable(),
  }),
  seed: whole(0),
  device: oneOf("cpu", "reference", "webgpu"),
  threads: z.number({ error: threadRange }).int({ error: threadRange }).min(1, { error: threadRange }).max(64, { error: threadRange }).nullable(),
});

export type Settings = z.infer<typeof settingsSchema>;

/** Settings of which anything may be missing. */
export type PartialSettings = { readonly [K in keyof Settings]?: Settings[K] extends object ? Partial<Settings[K]> : Settings[K] };

export interface Flag {
  /** As commander takes it. */
  readonly flag: string;
  readonly path: readonly [string] | readonly [string, string];
  readonly help: string;
}

export const flags: readonly Flag[] = [
  { flag: "--data <folder>", path: ["data", "path"], help: "folder with the four IDX files, or a CSV file" },
  { flag: "--target <column>", path: ["data", "target"], help: "column of a CSV file to predict" },
  { flag: "--task <task>", path: ["data", "task"], help: "regression or classification (default: by the target's values)" },
  { flag: "--columns <names>", path: ["data", "columns"], help: "names of the columns of a file without a header, as age,size,kind" },
  { flag: "--delimiter <sign>", path: ["data", "delimiter"], help: "what separates cells: , ; | tab or blanks (default: found out)" },
  { flag: "--decimal <sign>", path: ["data", "decimal"], help: "decimal sign of numbers, . or , (default: found out)" },
  { flag: "--encoding <name>", path: ["data", "encoding"], help: "utf-8, latin1, utf-16le or utf-16be (default: by byte-order mark)" },
  { flag: "--comment <sign>", path: ["data", "comment"], help: "leave out lines that begin with this" },
  { flag: "--missing <cells>", path: ["data", "missing"], help: "cells that mean missing (default: empty, NA, N/A, ?, NaN, null)" },
  { flag: "--ragged <way>", path: ["data", "ragged"], help: "rows with too few or too many cells: error or skip (default: error)" },
  { flag: "--exclude <columns>", path: ["data", "exclude"], help: "columns that the model does not see" },
  { flag: "--split <way>", path: ["split", "by"], help: "auto, random, stratified, group, time or column (default: auto)" },
  { flag: "--split-column <column>", path: ["split", "column"], help: "column of groups, of times, or of the names of parts" },
  { flag: "--limit <count>", path: ["data", "limit"], help: "use at most so many examples" },
  { flag: "--model <kind>", path: ["model", "kind"], help: "perceptron, linear, ridge, logistic, softmax, mlp or cnn (default: mlp)" },
  { flag: "--hidden <widths>", path: ["model", "hidden"], help: "widths of the hidden layers, as 256,128" },
  { flag: "--activation <name>", path: ["model", "activation"], help: "relu, leakyRelu, elu, gelu, silu, tanh or sigmoid (default: relu)" },
  { flag: "--norm <kind>", path: ["model", "norm"], help: "normalization of hidden layers: none, batch or layer (default: none)" },
  { flag: "--dropout <share>", path: ["model", "dropout"], help: "share of hidden units left out in training (default: 0)" },
  { flag: "--penalty <weight>", path: ["model", "penalty"], help: "of the squared weights of ridge and logistic (default: 1)" },
  { flag: "--members <count>", path: ["model", "members"], help: "train so many models and average their predictions (default: 1)" },
  { flag: "--epochs <count>", path: ["training", "epochs"], help: "passes over the training data" },
  { flag: "--batch <count>", path: ["training", "batch"], help: "examples in a batch" },
  { flag: "--optimizer <name>", path: ["training", "optimizer"], help: "adam, adamw or sgd with momentum 0.9 (default: adam)" },
  { flag: "--learning-rate <rate>", path: ["training", "learningRate"], help: "step size" },
  { flag: "--schedule <name>", path: ["training", "schedule"], help: "constant, cosine or plateau (default: cosine for images, constant for tables)" },
  { flag: "--weight-decay <decay>", path: ["training", "weightDecay"], help: "default: 0.01 for adamw, else 0" },
  { flag: "--patience <epochs>", path: ["training", "patience"], help: "stop after so many epochs without a better validation loss" },
  { flag: "--max-seconds <seconds>", path: ["training", "maxSeconds"], help: "stop training after so many seconds" },
  { flag: "--clip <norm>", path: ["training", "clip"], help: "scale gradients down to this norm" },
  { flag: "--precision <kind>", path: ["training", "precision"], help: "float32, or mixed: passes in float16, weights in float32 (default: float32)" },
  { flag: "--ema <share>", path: ["training", "ema"], help: "use a moving average of the weights, of which a step leaves this share, as 0.99" },
  { flag: "--calibration <method>", path: ["calibration", "method"], help: "auto, none, temperature, platt, beta or isotonic (default: auto)" },
  { flag: "--alpha <share>", path: ["calibration", "alpha"], help: "how often conformal sets or intervals may miss the truth (default: 0.1)" },
  { flag: "--conformal <score>", path: ["calibration", "conformal"], help: "lac, aps or raps (default: lac)" },
  { flag: "--costs <matrix>", path: ["calibration", "costs"], help: "costs of decisions (rows) by true class (columns), as [[0, 10], [1, 0]]" },
  { flag: "--seed <number>", path: ["seed"], help: "decides every random number (default: 0)" },
  { flag: "--device <name>", path: ["device"], help: "cpu, webgpu or reference (default: cpu)" },
  { flag: "--threads <count>", path: ["threads"], help: "threads of the device cpu (default: one per processor, at most 8)" },
];

/** The defaults for a kind of data, given what is already decided. */
function defaults(source: Settings["data"]["source"], given: PartialSettings): Settings {
  const table = source === "table";
  const cnn = given.model?.kind === "cnn";
  const optimizer = given.training?.optimizer ?? "adam";
  return {
    data: {
      source, name: source, path: null, target: null, task: null, limit: null, columns: null, header: null, delimiter: null, decimal: null,
      encoding: null, comment: null, missing: null, ragged: "error", types: {}, exclude: [],
    },
    split: { by: "auto", column: null, ...shares(given.split) },
    model: { kind: "mlp", hidden: table ? [64] : cnn ? [128] : [256, 128], activation: "relu", norm: "none", dropout: 0, penalty: 1, members: 1 },
    training: {
      epochs: table ? 200 : 10,
      batch: table ? 32 : cnn ? 64 : 128,
      optimizer,
      // Fashion-MNIST, along a cosine: the CNN reaches 91.2 % in five epochs (88.5 % with batches of 128 at 0.001), the
      // MLP 89.1 % in ten (88.5 % at 0.001).
      learningRate: optimizer === "sgd" ? 0.05 : cnn ? 3e-3 : table ? 1e-3 : 2e-3,
      schedule: table ? "constant" : "cosine",
      weightDecay: optimizer === "adamw" ? 0.01 : 0,
      patience: table ? 20 : null,
      plateauPatience: 5,
      plateauFactor: 0.5,
      clip: null,
      precision: "float32",
      ema: null,
      maxSeconds: null,
      saveEvery: 30,
    },
    calibration: { method: "auto", alpha: 0.1, conformal: "lac", costs: null },
    seed: 0,
    device: "cpu",
    threads: null,
  };
}

/** 70/10/10/10; rows to train on are what the other parts leave. */
function shares({ validation = 0.1, calibration = 0.1, test = 0.1 }: Partial<Settings["split"]> = {}) {
  return { train: Number((1 - validation - calibration - test).toFixed(9)), validation, calibration, test };
}

/** Complete settings: later layers win over earlier ones, and all of them over the defaults. */
export function resolveSettings(source: Settings["data"]["source"], ...layers: readonly PartialSettings[]): Settings {
  const given = layers.reduce<PartialSettings>(merge, {});
  return check(merge(defaults(source, given), given));
}

/** What lies at a path: a setting, a section of several, or nothing. */
export function settingAt(path: readonly string[]): z.ZodType | undefined {
  let at: z.ZodType | undefined = settingsSchema;
  for (const key of path) at = at instanceof z.ZodObject && Object.hasOwn(at.shape, key) ? (at.shape[key] as z.ZodType) : undefined;
  return at;
}

export const isSection = (schema: z.ZodType): schema is z.ZodObject => schema instanceof z.ZodObject;

/** The paths of all settings, in order. */
export const settingPaths: readonly (readonly string[])[] = Object.entries(settingsSchema.shape).flatMap(
  ([section, schema]: [string, z.ZodType]) => (isSection(schema) ? Object.keys(schema.shape).map((key) => [section, key]) : [[section]]),
);

/** The paths of settings in which two runs differ. */
export const changedSettings = (a: Settings, b: Settings): string[] =>
  settingPaths.filter((path) => JSON.stringify(valueAt(a, path)) !== JSON.stringify(valueAt(b, path))).map((path) => path.join("."));

/** The value of one setting. */
export const valueAt = (settings: PartialSettings, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], settings);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merge<T>(below: T, above: unknown): T {
  if (!isObject(below) || !isObject(above)) return above as T;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    merged[key] = isObject(merged[key]) && isObject(value) ? merge(merged[key], value) : value;
  }
  return merged as T;
}

/** The flag of a setting, without what it takes. */
export const flagOf = (path: readonly string[]): string | undefined =>
  flags.find((flag) => flag.path.join(".") === path.join("."))?.flag.replace(/ .*/, "");

/** Checks what no single value shows: settings that do not go together. */
function check(settings: Settings): Settings {
  const { by, column, train, validation, calibration, test } = settings.split;
  const total = train + validation + calibration + test;
  if (Math.abs(total - 1) > 1e-6) {
    const list = `train ${train}, validation ${validation}, calibration ${calibration}, test ${test}`;
    throw new Failure("usage", `split: the shares (${list}) add up to ${Number(total.toFixed(6))} instead of 1`);
  }
  const needsColumn = by === "group" || by === "time" || by === "column";
  if (needsColumn && column === null) throw new Failure("usage", `--split ${by}: by which column? --split-column <column>`);
  if (!needsColumn && column !== null) {
    throw new Failure("usage", `--split-column ${column}: goes with --split group, time or column, not with ${by}`);
  }
  const result = settingsSchema.safeParse(settings);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw new Failure("usage", `${flagOf(path.map(String)) ?? path.join(".")}: ${message}`);
  }
  return result.data;
}
