/** Where a command writes: results to `out`, everything else to `error`. Tests give their own. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
  /** Whether lines of `error` can be rewritten. */
  readonly live: boolean;
  /** Characters in a line of `error`. Default 80. */
  readonly columns?: number;
  /** Whether `error` shows colors. Default false. */
  readonly color?: boolean;
}

/**
 * Whether to write colors: FORCE_COLOR says yes (0 and false say no), then NO_COLOR says no, whatever its value, unless
 * it is empty (no-color.org); otherwise a terminal shows them that is not dumb.
 */
export function wantsColor(environment: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: kind } = environment;
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  if (no !== undefined && no !== "") return false;
  return isTerminal && kind !== "dumb";
}

/** The streams of this process. */
export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  live: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
  color: wantsColor(process.env, process.stderr.isTTY === true),
  get columns() {
    // A terminal that does not know its width says 0.
    return process.stderr.columns || 80;
  },
};
