/**
 * The command line: words and flags to requests, and whatever goes wrong to one line and an exit status. Parsing is
 * commander's, which refuses misspelt flags; values are checked by the settings.
 */
import { Command, CommanderError } from "commander";
import type { Context } from "./commands/context.ts";
import { train } from "./commands/train.ts";
import { type ExitCode, asFailure, exitCodes } from "./failure.ts";
import { flags, fromFlags } from "./settings.ts";

type Values = Readonly<Record<string, string | undefined>> & { readonly json?: boolean; readonly runs: string };

/** Runs a command line, without the words for Node and the script, and returns the exit status. */
export async function main(words: readonly string[], context: Context): Promise<ExitCode> {
  const { terminal } = context;
  let code: ExitCode = exitCodes.ok;
  const command = ["dormouse", ...words].map(quoted).join(" ");
  const program = new Command("dormouse").description("Trains, checks and applies small models.");
  const configure = (each: Command): Command =>
    each.exitOverride().configureOutput({ writeOut: terminal.out, writeErr: () => undefined }).showHelpAfterError(false);
  configure(program);

  const trainCommand = configure(program.command("train"))
    .description("Trains a model and writes a run folder: weights, scores, predictions and a report.")
    .argument("[data]", "digits (drawn, the default), a CSV file, a folder of IDX files, or mnist, fashion-mnist, idx with --data");
  for (const { flag, help } of flags) trainCommand.option(flag, help);
  trainCommand
    .option("--runs <folder>", "where run folders go", "runs")
    .option("--resume <run>", "go on with a run that was stopped")
    .option("--json", "print the results as one JSON object")
    .action(async (source: string | undefined, values: Values) => {
      const given = fromFlags(values);
      code = await train({ source, given, runs: values.runs, resume: values["resume"], json: values.json === true, command }, context);
    });

  try {
    await program.parseAsync([...words], { from: "user" });
    return code;
  } catch (error) {
    return report(error, terminal.error);
  }
}

function report(error: unknown, write: (text: string) => void): ExitCode {
  if (error instanceof CommanderError) {
    // Help and version have been printed and are no errors.
    if (error.exitCode === 0) return exitCodes.ok;
    write(`dormouse: ${error.message.replace(/^error: /, "").replaceAll("\n", " ")}\n`);
    return exitCodes.usage;
  }
  const failure = asFailure(error);
  if (failure) {
    write(`dormouse: ${failure.message.replaceAll("\n", " ")}\n`);
    return failure.code;
  }
  write(`dormouse: this is a bug: ${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.bug;
}

/** A word as a shell takes it back. */
const quoted = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
