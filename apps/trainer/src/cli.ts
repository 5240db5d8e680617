#!/usr/bin/env node
/** The process `dormouse`: its streams, its signals and its exit status. Everything else is in `program.ts`. */
import { exitCodes } from "./failure.ts";
import { main } from "./program.ts";
import { processTerminal } from "./terminal.ts";

const stop = new AbortController();

/** The first signal asks the command to save and to end, the second ends the process at once. */
function onSignal(signal: "SIGINT" | "SIGTERM"): void {
  if (stop.signal.aborted) process.exit(signal === "SIGTERM" ? exitCodes.terminated : exitCodes.interrupted);
  processTerminal.error("\nstopping after this step; once more to stop at once\n");
  stop.abort(signal);
}
process.on("SIGINT", () => onSignal("SIGINT"));
process.on("SIGTERM", () => onSignal("SIGTERM"));
// A worker of a search ends at once when the search is no more: the next one goes on with what it has saved.
process.channel?.unref();
process.once("disconnect", () => process.exit(exitCodes.terminated));
if (process.connected === false) process.exit(exitCodes.terminated);
// Messages may lose their reader, and the work goes on.
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
// Whoever reads the output may stop early, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.ok);
});

process.exitCode = await main(process.argv.slice(2), { terminal: processTerminal, environment: process.env, signal: stop.signal });
