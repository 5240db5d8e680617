/** `dormouse config`: the settings of a run without the run, the check of a file, and what files may hold. */
import { Document, isScalar } from "yaml";
import { z } from "zod";
import { type ExitCode, Failure, exitCodes } from "../failure.ts";
import { type Given, problemsOf, readLayers, variableOf } from "../layers.ts";
import { flags, resolveSettings, settingAt, settingPaths, settingsSchema } from "../settings.ts";
import { sourceOf } from "../sources/source.ts";
import type { Context } from "./context.ts";

/** `config print`: complete settings, with the places that gave what is not the default. */
export function printConfig(source: string | undefined, given: Given, { terminal }: Context): ExitCode {
  const { settings, origins } = given;
  const data = sourceOf(source, settings);
  const document = new Document(resolveSettings(data.source!, settings, { data }));
  for (const [path, place] of origins) {
    const node = document.getIn(path.split("."), true);
    // Lists and maps take their comment before them, scalars behind.
    if (isScalar(node)) node.comment = ` ${place}`;
    else if (node) (node as { commentBefore?: string }).commentBefore = ` ${place}`;
  }
  terminal.out(document.toString());
  return exitCodes.ok;
}

/** `config validate`: every problem of every file. */
export function validateConfig(files: readonly string[], { terminal }: Context): ExitCode {
  let code: ExitCode = exitCodes.ok;
  for (const file of files) {
    const problems = problemsOf(file);
    if (problems.length === 0) problems.push(...disagreements(file));
    if (problems.length === 0) terminal.out(`${file}: fine\n`);
    else code = exitCodes.usage;
    for (const problem of problems) terminal.error(`dormouse: ${problem}\n`);
  }
  return code;
}

/** Settings that are fine each and do not go together. */
function disagreements(file: string): string[] {
  const { settings } = readLayers({ config: [file] });
  try {
    resolveSettings(settings.data?.source ?? "digits", settings);
    return [];
  } catch (error) {
    if (error instanceof Failure) return [`${file}: ${error.message}`];
    throw error;
  }
}

/** `config schema`: a JSON Schema, by which editors complete and check files of settings. */
export function printSchema({ terminal }: Context): ExitCode {
  const described = new Map(
    settingPaths.map((path) => {
      const help = flags.find((flag) => flag.path.join(".") === path.join("."))?.help;
      return [settingAt(path)!, [...(help ? [help] : []), `environment: ${variableOf(path)}`].join("; ")];
    }),
  );
  const schema = z.toJSONSchema(settingsSchema, {
    override({ zodSchema, jsonSchema }) {
      // A file may leave out anything.
      delete jsonSchema.required;
      const description = described.get(zodSchema as unknown as z.ZodType);
      if (description !== undefined) jsonSchema.description = description;
    },
  });
  terminal.out(`${JSON.stringify({ ...schema, title: "Settings of dormouse" }, null, 2)}\n`);
  return exitCodes.ok;
}
