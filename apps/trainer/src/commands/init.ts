/** `dormouse init`: a file of settings for a table, with the kinds of its columns, to be looked at and changed. */
import { existsSync, writeFileSync } from "node:fs";
import { type Table, inspectTable } from "@dormouse/data";
import { Document, type Scalar } from "yaml";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { type PartialSettings, type Settings, resolveSettings } from "../settings.ts";
import { type Reading, readTable, readingKeys, readingOf, readingTable } from "../sources/reading.ts";
import { sourceOf } from "../sources/source.ts";
import { requireColumn } from "../sources/table.ts";
import type { Context } from "./context.ts";

export interface InitRequest {
  readonly source: string | undefined;
  readonly given: PartialSettings;
  readonly out: string;
}

/** Runs the command. */
export async function init({ source, given, out }: InitRequest, { terminal }: Context): Promise<ExitCode> {
  // Somebody may have spent an afternoon on the file that is there.
  if (existsSync(out)) throw new Failure("usage", `${out} is there already; choose another name with --out <file>`);
  const place = sourceOf(source, given);
  const settings = resolveSettings(place.source!, given, { data: place });
  const { source: kind, name, path = null } = place;
  const data = kind === "table" ? await tableSettings(settings.data) : { settings: { source: kind, name, path }, comments: {} };
  const { model, training, split, seed } = settings;
  const document = new Document({
    data: data.settings,
    ...(kind === "table" && { split }),
    model,
    training,
    seed,
  });
  document.commentBefore = ` Settings of dormouse. Train with: dormouse train --config ${out}\n All that can be set: dormouse config schema`;
  for (const [path, comment] of Object.entries(data.comments)) {
    const node = document.getIn(["data", ...path.split("/")], true) as Scalar | undefined;
    if (node && comment !== "") node.comment = ` ${comment}`;
  }
  writeFileSync(out, document.toString());
  terminal.error(`wrote ${out}; train with: dormouse train --config ${out}\n`);
  return exitCodes.ok;
}

/** What the reader found out, written down. */
async function tableSettings(data: Settings["data"]) {
  const path = data.path!;
  const { table, reading } = await readTable(path, readingOf(data), data.types);
  if (data.target !== null) requireColumn(table, data.target, "--target", path);
  const target = data.target ?? guessedTarget(table);
  const { issues } = await readingTable(path, () => inspectTable(table, target === null ? {} : { target }));
  const reasons = new Map(table.columns.map(({ name, reason }) => [name, reason]));
  for (const { columns, kind, message } of issues) if (kind === "leak") reasons.set(columns[0]!, message);
  const inputs = table.columns.filter(({ name }) => name !== target);
  const types = Object.fromEntries(inputs.map(({ name, type }) => [name, type]));
  const comments = Object.fromEntries(Object.keys(types).map((name) => [`types/${name}`, reasons.get(name)!]));
  return {
    settings: { source: data.source, name: data.name, path, target, ...said(reading), exclude: data.exclude, types },
    comments: { ...comments, target: data.target === null ? "a guess: the last column that can be learned" : "" },
  };
}

/** Settings of reading that are not left open. */
const said = (reading: Reading): Partial<Reading> =>
  Object.fromEntries(readingKeys.flatMap((key) => (reading[key] === null ? [] : [[key, reading[key]]])));

/** The last column that is neither an id nor text; most files have the target there. */
const guessedTarget = ({ columns }: Table): string | null =>
  columns.findLast(({ type }) => type === "number" || type === "binary" || type === "category")?.name ?? null;
