/**
 * How a command ends when it does not end well: one line for a person and an exit status for a script. Every error
 * that a person can cause becomes a `Failure` here; anything else is a bug and keeps its stack.
 */
import { FormatError } from "@dormouse/formats";
import { DeviceError, DormouseError } from "@dormouse/tensor";
import { DivergedError } from "@dormouse/train";

/** Exit statuses, the same for every command. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  usage: 2,
  data: 3,
  diverged: 4,
  gate: 5,
  device: 6,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An end that is the person's to mend. The message is one line. */
export class Failure extends Error {
  readonly code: ExitCode;

  constructor(reason: keyof typeof exitCodes, message: string) {
    super(message);
    this.name = "Failure";
    this.code = exitCodes[reason];
  }
}

/** Runs `read`; what the readers of data complain about becomes a failure of the data in `place`. */
export async function readingData<T>(place: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof DormouseError || error instanceof FormatError) {
      throw new Failure("data", `${place}: ${error.message}`);
    }
    const problem = systemProblem(error);
    if (problem) throw new Failure("data", `${place}: ${problem}`);
    throw error;
  }
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "reading or writing is not permitted",
  EPERM: "reading or writing is not permitted",
  EISDIR: "this is a folder; name a file",
  ENOTDIR: "a part of the path is a file",
  ENOSPC: "the disk is full",
  EROFS: "the disk cannot be written to",
};

/** What the operating system refused, in words; null for other errors. */
export function systemProblem(error: unknown): string | null {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? (problems[code] ?? null) : null;
}

/** The failure that an error amounts to, or null for a bug. */
export function asFailure(error: unknown): Failure | null {
  if (error instanceof Failure) return error;
  if (error instanceof DivergedError) return new Failure("diverged", error.message);
  if (error instanceof DeviceError) return new Failure("device", error.message);
  const problem = systemProblem(error);
  if (problem === null) return null;
  const { path } = error as { readonly path?: string };
  return new Failure("usage", path === undefined ? problem : `${path}: ${problem}`);
}
