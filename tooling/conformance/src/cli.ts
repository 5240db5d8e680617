/**
 * The executable: exits with 1 where a case fails, with 2 where the command cannot run. The environment may name the
 * folder of data sets.
 */
import { messageOf } from "./checks.ts";
import { UsageError, runCommand } from "./command.ts";

const { DORMOUSE_DATA: data } = process.env;
// Of an option given twice, the latter counts.
const parameters = [...(data ? ["--data", data] : []), ...process.argv.slice(2)];

try {
  process.exitCode = await runCommand(parameters, (text) => void process.stdout.write(text));
} catch (error) {
  const isExpected = error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS");
  process.stderr.write(`conformance: ${isExpected ? messageOf(error) : ((error as Error).stack ?? messageOf(error))}\n`);
  process.exitCode = 2;
}
