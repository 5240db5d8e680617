/** What a command is given besides its arguments: a place to write to and a way to be stopped. */
import type { Terminal } from "../terminal.ts";

export interface Context {
  readonly terminal: Terminal;
  /** Variables of the environment, which can hold settings. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C or a polite kill; its reason is the name of the signal. */
  readonly signal: AbortSignal;
}
