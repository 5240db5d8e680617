/**
 * Event files for TensorBoard: scalars by step. Owns the format: records framed as in TFRecord, with masked CRC-32C, each
 * a message `Event` of `tensorflow/core/util/event.proto` in the wire format of protocol buffers. What is written, and
 * when, is the caller's.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
  return rest;
});

/** CRC-32C (Castagnoli), as in RFC 3720, appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = table[(rest ^ byte) & 0xff]! ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** A checksum that may itself be stored among data that is checked: turned by 15 bits, plus a constant. */
const masked = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** One record: length (8 bytes), its checksum, the data, its checksum; little endian. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return record;
}

/** Fields of a message in the wire format: a tag (number and kind), then the value. */
type Field = readonly number[];

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
};
const whole = (number: number, value: number): Field => [...varint(number << 3), ...varint(value)];
const bytesField = (number: number, bytes: ArrayLike<number>): Field => [...varint((number << 3) | 2), ...varint(bytes.length), ...Array.from(bytes)];
const text = (number: number, value: string): Field => bytesField(number, new TextEncoder().encode(value));
const message = (number: number, ...fields: readonly Field[]): Field => bytesField(number, fields.flat());
const double = (number: number, value: number): Field => [...varint((number << 3) | 1), ...new Uint8Array(Float64Array.of(value).buffer)];
const float = (number: number, value: number): Field => [...varint((number << 3) | 5), ...new Uint8Array(Float32Array.of(value).buffer)];

/** One event: seconds since 1970, a step, and its content. */
const event = (seconds: number, step: number, content: Field): Uint8Array =>
  frame(Uint8Array.from([...double(1, seconds), ...whole(2, step), ...content]));

const fileVersion = text(3, "brain.Event:2");
/** SessionLog with status START: what came before and has this step or a later one is void. */
const sessionStart = message(7, whole(1, 1));

/** Scalars as one Summary. */
const summary = (scalars: Readonly<Record<string, number>>): Field =>
  message(5, ...Object.entries(scalars).map(([tag, value]) => message(1, text(1, tag), float(2, value))));

/** Appends events to one file. */
export class EventFile {
  readonly path: string;

  /** Begins a file in a folder; a run that goes on says at which step. */
  constructor(folder: string, step: number, now: Date = new Date()) {
    mkdirSync(folder, { recursive: true });
    const seconds = String(Math.floor(now.getTime() / 1000)).padStart(10, "0");
    this.path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`);
    this.#append(event(now.getTime() / 1000, 0, fileVersion));
    if (step > 0) this.#append(event(now.getTime() / 1000, step, sessionStart));
  }

  /** Adds scalars of a step. */
  scalars(step: number, values: Readonly<Record<string, number>>, now: Date = new Date()): void {
    this.#append(event(now.getTime() / 1000, step, summary(values)));
  }

  /** A record in one write, so that a kill between two leaves whole records. */
  #append(record: Uint8Array): void {
    appendFileSync(this.path, record);
  }
}
