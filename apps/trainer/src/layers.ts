/**
 * Where settings come from besides the defaults, each layer over the one before: files (`--config`), the environment
 * (`DORMOUSE_TRAINING_EPOCHS`), flags (`--epochs`), and `--set training.epochs=3`. Every value is checked where it is
 * read, so that a message names the file and the line, the variable or the flag, before anything is trained.
 */
import { readFileSync } from "node:fs";
import { LineCounter, type Node, type Pair, isMap, isScalar, parse as parseYaml, parseDocument } from "yaml";
import type { z } from "zod";
import { Failure, systemProblem } from "./failure.ts";
import { didYouMean, nearest } from "./nearest.ts";
import { type PartialSettings, type Settings, flags, isSection, resolveSettings, settingAt, settingPaths, settingsSchema } from "./settings.ts";

/** What was given, and where: `training.epochs` to `a.yaml:3`. */
export interface Given {
  readonly settings: PartialSettings;
  readonly origins: ReadonlyMap<string, string>;
}

/** Everything that can hold settings. */
export interface Layers {
  readonly config?: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Values of flags by the camel-case name that commander gives them. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** As typed: `training.epochs=3`. */
  readonly set?: readonly string[];
}

/** One value that was given, or what is wrong with it. */
interface Entry {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly place: string;
  readonly problem: string | null;
}

/** Reads all layers; throws for the first problem. */
export function readLayers({ config = [], environment = {}, flags: values = {}, set = [] }: Layers): Given {
  return gather([
    ...config.flatMap(fileEntries),
    ...environmentEntries(environment),
    ...flagEntries(values),
    ...set.map(setEntry),
  ]);
}

/** Settings from the values of flags alone. */
export const fromFlags = (values: Readonly<Record<string, unknown>>): PartialSettings =>
  gather(flagEntries(values)).settings;

/** The complete settings in a file that a run wrote. */
export function readSettings(path: string): Settings {
  const { settings } = gather(fileEntries(path));
  if (settings.data?.source === undefined) throw new Failure("usage", `${path} is not the configuration of a run: it has no data.source`);
  return resolveSettings(settings.data.source, settings);
}

/** All problems of a file of settings, one line each. */
export const problemsOf = (path: string): string[] =>
  fileEntries(path).flatMap(({ problem }) => (problem === null ? [] : [problem]));

function gather(entries: readonly Entry[]): Given {
  const problem = entries.find((entry) => entry.problem !== null)?.problem;
  if (problem) throw new Failure("usage", problem);
  const settings: Record<string, unknown> = {};
  const origins = new Map<string, string>();
  for (const { path, value, place } of entries) {
    const [section, key] = path as [string, string?];
    settings[section] = key === undefined ? value : { ...(settings[section] as object | undefined), [key]: value };
    origins.set(path.join("."), place);
  }
  return { settings, origins };
}

/** The values in a YAML file. */
function fileEntries(path: string): Entry[] {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines });
  const at = (offset: number): string => `${path}:${lines.linePos(offset).line}`;
  const [error] = document.errors;
  if (error) {
    const problem = `${at(error.pos[0])}: ${error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "")}`;
    return [{ path: [], value: undefined, place: path, problem }];
  }
  return entriesOf(document.contents, [], at, path, (node) => node.toJS(document));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    const problem = systemProblem(error);
    throw problem ? new Failure("usage", `${path}: ${problem}`) : error;
  }
}

/** The settings below a node that should be a section. */
function entriesOf(
  node: Node | null,
  path: readonly string[],
  at: (offset: number) => string,
  file: string,
  valueOf: (node: Node) => unknown,
): Entry[] {
  // A file or a section with nothing in it sets nothing.
  if (node === null || (isScalar(node) && node.value === null)) return [];
  if (!isMap(node)) {
    const what = path.length === 0 ? "a file of settings" : path.join(".");
    const place = node.range ? at(node.range[0]) : file;
    return [{ path, value: undefined, place, problem: `${place}: ${what} must be a section of settings, as "${exampleOf(path)}"` }];
  }
  return node.items.flatMap((pair: Pair) => {
    const key = pair.key as Node;
    const name = isScalar(key) ? String(key.value) : "?";
    const here = [...path, name];
    const place = key.range ? at(key.range[0]) : file;
    const schema = settingAt(here);
    if (schema === undefined) return [{ path: here, value: undefined, place, problem: `${place}: ${unknownSetting(here)}` }];
    const child = pair.value as Node | null;
    if (isSection(schema)) return entriesOf(child, here, at, file, valueOf);
    return [entry(here, child === null ? null : valueOf(child), place, `${place}: ${here.join(".")}`)];
  });
}

const exampleOf = ([section]: readonly string[]): string => (section === undefined ? "training: {epochs: 3}" : `${section}: {${keysOf(section)[0]}: …}`);

/** Variables of the environment, by the setting: `DORMOUSE_TRAINING_LEARNING_RATE`. */
export const variableOf = (path: readonly string[]): string =>
  `DORMOUSE_${path.map((part) => part.replace(/[A-Z]/g, "_$&").toUpperCase()).join("_")}`;

const pathOfVariable = new Map(settingPaths.map((path) => [variableOf(path), path]));
const sectionPrefixes = Object.entries(settingsSchema.shape).flatMap(([name, schema]: [string, z.ZodType]) =>
  isSection(schema) ? [`${variableOf([name])}_`] : [],
);

function environmentEntries(environment: NonNullable<Layers["environment"]>): Entry[] {
  return Object.entries(environment).flatMap(([name, text]) => {
    if (!name.startsWith("DORMOUSE_") || text === undefined) return [];
    const path = pathOfVariable.get(name);
    if (path) return [textEntry(path, text, name, `${name}=${text}`)];
    // Other variables of that name belong to others: the tests of this repository have some.
    if (!sectionPrefixes.some((prefix) => name.startsWith(prefix))) return [];
    const problem = `${name}: there is no such setting${didYouMean(name, [...pathOfVariable.keys()])}`;
    return [{ path: [], value: undefined, place: name, problem }];
  });
}

function flagEntries(values: Readonly<Record<string, unknown>>): Entry[] {
  return flags.flatMap(({ flag, path }) => {
    const text = values[camelCase(flag)];
    const name = flag.replace(/ .*/, "");
    return typeof text === "string" ? [textEntry(path, text, name, `${name} ${text}`)] : [];
  });
}

/** `learningRate` of `--learning-rate <rate>`. */
const camelCase = (flag: string): string =>
  flag.replace(/^--/, "").replace(/ .*/, "").replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

function setEntry(words: string): Entry {
  const [, name, text] = /^([^=]+)=([^]*)$/.exec(words) ?? [];
  if (name === undefined || text === undefined) {
    return { path: [], value: undefined, place: "--set", problem: `--set ${words}: must be a setting and a value, as training.epochs=3` };
  }
  const path = name.trim().split(".");
  const schema = settingAt(path);
  const label = `--set ${words}`;
  if (schema === undefined) return { path, value: undefined, place: "--set", problem: `${label}: ${unknownSetting(path)}` };
  if (isSection(schema)) {
    const problem = `${label}: ${name} is a section; its settings are ${keysOf(name).map((key) => `${name}.${key}`).join(", ")}`;
    return { path, value: undefined, place: "--set", problem };
  }
  return textEntry(path, text, "--set", label);
}

/** What is wrong with a path that leads nowhere. */
function unknownSetting(path: readonly string[]): string {
  const name = path.join(".");
  const [section = "", key] = path;
  // The name may be right in another section, or wrong in this one, or the section itself may be wrong.
  const exact = settingPaths.find((known) => known.at(-1) === (key ?? section));
  const siblings = keysOf(section).map((sibling) => `${section}.${sibling}`);
  const all = [...Object.keys(settingsSchema.shape), ...settingPaths.map((known) => known.join("."))];
  const close = nearest(name, siblings) ?? exact?.join(".") ?? nearest(name, all);
  return `there is no setting ${name}${close === undefined ? "" : `; did you mean ${close}?`}`;
}

function keysOf(section: string): string[] {
  const schema = settingAt([section]);
  return schema && isSection(schema) ? Object.keys(schema.shape) : [];
}

/** A value that a file gives. */
function entry(path: readonly string[], value: unknown, place: string, label: string): Entry {
  const result = settingAt(path)!.safeParse(value);
  if (result.success) return { path, value: result.data, place, problem: null };
  const shown = typeof value === "object" ? JSON.stringify(value) : String(value);
  return { path, value, place, problem: `${label} ${shown}: ${complaint(result.error, value, settingAt(path)!)}` };
}

/** A value that is given as text: as a number, a truth value, null, a list or text, whichever the setting takes. */
function textEntry(path: readonly string[], text: string, place: string, label: string): Entry {
  const schema = settingAt(path)!;
  const parts = text.split(",").map((part) => part.trim());
  const readings = [scalarOf(text), structureOf(text), parts.map(scalarOf), parts, text];
  for (const reading of readings) {
    const result = schema.safeParse(reading);
    if (result.success) return { path, value: result.data, place, problem: null };
  }
  // The reading that comes closest has the message that helps: a list with one bad number is a list.
  const best = text.includes(",") && schema.safeParse([]).success ? readings[2] : readings[0];
  return { path, value: text, place, problem: `${label}: ${complaint(schema.safeParse(best).error!, text, schema)}` };
}

const words: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };

function scalarOf(text: string): unknown {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  return Object.hasOwn(words, text) ? words[text] : text;
}

/** A list or a map as YAML writes it in a line, or the text itself. */
function structureOf(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return parseYaml(text);
  } catch {
    return text;
  }
}

function complaint(error: z.ZodError, value: unknown, schema: z.ZodType): string {
  const { message } = error.issues[0]!;
  return typeof value === "string" ? `${message}${didYouMean(value, choicesOf(schema))}` : message;
}

/** The words that a setting takes, if it is a choice. */
function choicesOf(schema: z.ZodType): string[] {
  const { innerType, entries } = schema.def as {
    readonly innerType?: z.ZodType;
    readonly entries?: Readonly<Record<string, string>>;
  };
  if (innerType) return choicesOf(innerType);
  return Object.values(entries ?? {});
}
