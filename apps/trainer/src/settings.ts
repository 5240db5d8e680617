/**
 * What a run is made of: every setting with its range, its default for each kind of data, and the flag that sets it.
 * One table drives the command line, the messages and the file `config.resolved.yaml`. Reading data is elsewhere.
 */
import { readFile } from "node:fs/promises";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { Failure } from "./failure.ts";

const whole = (least: number) => {
  const error = `must be a whole number of at least ${least}`;
  return z.number({ error }).int({ error }).min(least, { error });
};
const number = (least: number, below: number, words: string) =>
  z.number({ error: `must be ${words}` }).min(least, { error: `must be ${words}` }).lt(below, { error: `must be ${words}` });
const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `must be one of ${words.join(", ")}` });

const threadRange = "must be a whole number from 1 to 64";

export const settingsSchema = z.strictObject({
  data: z.strictObject({
    /** Where examples come from: drawn digits, a folder of IDX files, a CSV file. */
    source: oneOf("digits", "idx", "csv"),
    /** Word for the run folder. */
    name: z.string().min(1),
    path: z.string().nullable(),
    target: z.string().nullable(),
    task: oneOf("regression", "classification").nullable(),
    limit: whole(1).nullable(),
  }),
  model: z.strictObject({
    kind: oneOf("mlp", "linear", "cnn"),
    hidden: z.array(whole(1)),
    dropout: number(0, 1, "a number from 0 and below 1"),
  }),
  training: z.strictObject({
    epochs: whole(1),
    batch: whole(1),
    optimizer: oneOf("adam", "adamw", "sgd"),
    learningRate: number(0, Infinity, "a number from 0"),
    /** How the learning rate goes on: as it is, or down to 0 along half a cosine. */
    schedule: oneOf("constant", "cosine"),
    weightDecay: number(0, Infinity, "a number from 0"),
    patience: whole(1).nullable(),
  }),
  seed: whole(0),
  device: oneOf("cpu", "reference", "webgpu"),
  threads: z.number({ error: threadRange }).int({ error: threadRange }).min(1, { error: threadRange }).max(64, { error: threadRange }).nullable(),
});

export type Settings = z.infer<typeof settingsSchema>;

/** Settings of which anything may be missing. */
export type PartialSettings = { readonly [K in keyof Settings]?: Settings[K] extends object ? Partial<Settings[K]> : Settings[K] };

/** How a flag's text becomes a value; zod checks the value. */
const read = {
  text: (text: string): unknown => text,
  number: (text: string): unknown => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text),
  numbers: (text: string): unknown => text.split(",").map((part) => read.number(part.trim())),
};

export interface Flag {
  /** As commander takes it. */
  readonly flag: string;
  readonly path: readonly [string] | readonly [string, string];
  readonly read: (text: string) => unknown;
  readonly help: string;
}

export const flags: readonly Flag[] = [
  { flag: "--data <folder>", path: ["data", "path"], read: read.text, help: "folder with the four IDX files, or a CSV file" },
  { flag: "--target <column>", path: ["data", "target"], read: read.text, help: "column of a CSV file to predict" },
  { flag: "--task <task>", path: ["data", "task"], read: read.text, help: "regression or classification (default: by the target's values)" },
  { flag: "--limit <count>", path: ["data", "limit"], read: read.number, help: "use at most so many examples" },
  { flag: "--model <kind>", path: ["model", "kind"], read: read.text, help: "mlp, linear or cnn (default: mlp)" },
  { flag: "--hidden <widths>", path: ["model", "hidden"], read: read.numbers, help: "widths of the hidden layers, as 256,128" },
  { flag: "--dropout <share>", path: ["model", "dropout"], read: read.number, help: "share of hidden units left out in training (default: 0)" },
  { flag: "--epochs <count>", path: ["training", "epochs"], read: read.number, help: "passes over the training data" },
  { flag: "--batch <count>", path: ["training", "batch"], read: read.number, help: "examples in a batch" },
  { flag: "--optimizer <name>", path: ["training", "optimizer"], read: read.text, help: "adam, adamw or sgd with momentum 0.9 (default: adam)" },
  { flag: "--learning-rate <rate>", path: ["training", "learningRate"], read: read.number, help: "step size" },
  { flag: "--schedule <name>", path: ["training", "schedule"], read: read.text, help: "constant or cosine (default: cosine for images, constant for tables)" },
  { flag: "--weight-decay <decay>", path: ["training", "weightDecay"], read: read.number, help: "default: 0.01 for adamw, else 0" },
  { flag: "--patience <epochs>", path: ["training", "patience"], read: read.number, help: "stop after so many epochs without a better validation loss" },
  { flag: "--seed <number>", path: ["seed"], read: read.number, help: "decides every random number (default: 0)" },
  { flag: "--device <name>", path: ["device"], read: read.text, help: "cpu or reference (default: cpu)" },
  { flag: "--threads <count>", path: ["threads"], read: read.number, help: "threads of the device cpu (default: one per processor, at most 8)" },
];

/** The defaults for a kind of data, given what is already decided. */
function defaults(source: Settings["data"]["source"], given: PartialSettings): Settings {
  const table = source === "csv";
  const cnn = given.model?.kind === "cnn";
  const optimizer = given.training?.optimizer ?? "adam";
  return {
    data: { source, name: source, path: null, target: null, task: null, limit: null },
    model: { kind: "mlp", hidden: table ? [64] : cnn ? [128] : [256, 128], dropout: 0 },
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
    },
    seed: 0,
    device: "cpu",
    threads: null,
  };
}

/** Settings from the values of flags, by the camel-case name that commander gives them. */
export function fromFlags(values: Readonly<Record<string, string | undefined>>): PartialSettings {
  const settings: Record<string, unknown> = {};
  for (const { flag, path, read } of flags) {
    const text = values[keyOf(flag)];
    if (text === undefined) continue;
    const [section, key] = path;
    if (key === undefined) settings[section] = read(text);
    else settings[section] = { ...(settings[section] as object | undefined), [key]: read(text) };
  }
  return settings as PartialSettings;
}

/** `learningRate` of `--learning-rate <rate>`. */
const keyOf = (flag: string): string =>
  flag.replace(/^--/, "").replace(/ .*/, "").replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** Complete settings: later layers win over earlier ones, and all of them over the defaults. */
export function resolveSettings(source: Settings["data"]["source"], ...layers: readonly PartialSettings[]): Settings {
  const given = layers.reduce<PartialSettings>(merge, {});
  return check(merge(defaults(source, given), given));
}

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

/** Checks complete settings; the first problem becomes one line that names the flag or the key of the file. */
function check(settings: unknown, file?: string): Settings {
  const result = settingsSchema.safeParse(settings);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const keys = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    throw new Failure("usage", `${file ?? "settings"}: there is no setting ${[...keys, issue.keys[0]].join(".")}`);
  }
  const flag = flags.find(({ path }) => path.every((part, i) => part === keys[i]))?.flag.replace(/ .*/, "");
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], settings);
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  throw new Failure("usage", `${file ? `${file}: ${keys.join(".")}` : (flag ?? keys.join("."))} ${shown}: ${issue.message}`);
}

/** The complete settings in a file that a run wrote. */
export async function readSettings(path: string): Promise<Settings> {
  const text = await readFile(path, "utf8");
  try {
    return check(parseYaml(text), path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("usage", `${path}: ${(error as Error).message.split("\n")[0]}`);
  }
}
