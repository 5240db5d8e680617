/** The executable: exits with 1 where a case fails, with 2 where the command cannot run. */
import { messageOf } from "./checks.ts";
import { UsageError, runCommand } from "./command.ts";

try {
  process.exitCode = await runCommand(process.argv.slice(2), (text) => void process.stdout.write(text));
} catch (error) {
  const isExpected = error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS");
  process.stderr.write(`conformance: ${isExpected ? messageOf(error) : ((error as Error).stack ?? messageOf(error))}\n`);
  process.exitCode = 2;
}
