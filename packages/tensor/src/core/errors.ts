/**
 * What goes wrong, as classes with fields. Every message reads
 * `op: what is wrong with which values; what to do`.
 */

/** The parts of an error that a program can act on. */
export interface ErrorFields {
  /** What was asked for. */
  readonly expected?: unknown;
  /** What was given instead. */
  readonly received?: unknown;
  /** What to do about it; the last part of the message. */
  readonly hint?: string;
}

/** Root of every error that Dormouse throws on purpose. */
export class DormouseError extends Error {
  readonly op: string;
  readonly expected: unknown;
  readonly received: unknown;
  readonly hint: string | undefined;

  constructor(op: string, problem: string, fields: ErrorFields = {}) {
    super(`${op}: ${problem}${fields.hint ? `; ${fields.hint}` : ""}`);
    this.name = new.target.name;
    this.op = op;
    this.expected = fields.expected;
    this.received = fields.received;
    this.hint = fields.hint;
  }
}

/** Shapes that do not fit each other, or a shape that cannot be. */
export class ShapeError extends DormouseError {}
/** Element types that do not mix, or that an op does not take. */
export class DTypeError extends DormouseError {}
/** An axis that the shape does not have, or one named twice. */
export class AxisError extends DormouseError {}
/** A value outside what an op, an option or a reader accepts. */
export class ValueError extends DormouseError {}
/** No device, the wrong device, or a device that failed. */
export class DeviceError extends DormouseError {}
/** A tensor used after it was disposed of or donated. */
export class SpentError extends DormouseError {}
/** A derivative or a batching rule that does not exist. */
export class TransformError extends DormouseError {}
