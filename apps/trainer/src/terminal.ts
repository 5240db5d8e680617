/** Where a command writes: results to `out`, everything else to `error`. Tests give their own. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
  /** Whether lines of `error` can be rewritten. */
  readonly live: boolean;
}

/** The streams of this process. */
export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  live: process.stderr.isTTY === true,
};
