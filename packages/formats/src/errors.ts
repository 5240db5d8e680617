/**
 * What a reader or writer throws. This package stands on nothing else, so it carries its own error class, with the
 * fields and the message form that all of Dormouse uses: `op: what is wrong with which values; what to do`.
 */

/** The parts of an error that a program can act on. */
export interface FormatErrorFields {
  /** What the format asks for. */
  readonly expected?: unknown;
  /** What the bytes hold instead. */
  readonly received?: unknown;
  /** What to do about it; the last part of the message. */
  readonly hint?: string;
}

/** Bytes that are not what the format says, or values that a format cannot hold. */
export class FormatError extends Error {
  readonly op: string;
  readonly expected: unknown;
  readonly received: unknown;
  readonly hint: string | undefined;

  constructor(op: string, problem: string, fields: FormatErrorFields = {}) {
    super(`${op}: ${problem}${fields.hint ? `; ${fields.hint}` : ""}`);
    this.name = "FormatError";
    this.op = op;
    this.expected = fields.expected;
    this.received = fields.received;
    this.hint = fields.hint;
  }
}
