/**
 * What every backend asks of the buffers that it is handed, in the same words: that they are its own, not freed, as large
 * as the program says, and that a read or a write stays inside. Owns the sentences; what a buffer is made of is a backend's.
 */
import { bytesOf } from "../core/dtype.ts";
import { DeviceError } from "../core/errors.ts";
import type { Program } from "../lower/program.ts";
import type { BackendBuffer } from "./backend.ts";

/** The error for a buffer that another backend made. */
export const foreignBufferError = (op: string): DeviceError =>
  new DeviceError(op, "the buffer belongs to another backend", { hint: "use a buffer of this backend's alloc" });

/** The error for a buffer that was given back. */
export const freedBufferError = (op: string, { bytes }: BackendBuffer): DeviceError =>
  new DeviceError(op, `the buffer of ${bytes} bytes was freed`, { hint: "use it before free" });

/** Refuses bytes that are not all inside the buffer. */
export function checkRange(op: string, buffer: BackendBuffer, offset: number, bytes: number): void {
  if (offset >= 0 && offset + bytes <= buffer.bytes) return;
  throw new DeviceError(op, `bytes ${offset} to ${offset + bytes} of a buffer of ${buffer.bytes}`, {
    expected: buffer.bytes,
    received: offset + bytes,
    hint: "stay inside the buffer",
  });
}

/** Refuses buffers that are too many, too few or too small for the inputs and outputs of a program. */
export function checkBuffers({ inputs, outputs }: Program, buffers: readonly BackendBuffer[]): void {
  const expected = inputs.length + outputs.length;
  if (buffers.length !== expected) {
    throw new DeviceError("run", `${buffers.length} buffers for ${expected} inputs and outputs`, {
      expected,
      received: buffers.length,
      hint: "give the inputs, then the outputs",
    });
  }
  for (let i = 0; i < expected; i++) {
    const { dtype, length } = i < inputs.length ? inputs[i]! : outputs[i - inputs.length]!;
    const bytes = length * bytesOf(dtype);
    if (buffers[i]!.bytes >= bytes) continue;
    throw new DeviceError("run", `buffer ${i} has ${buffers[i]!.bytes} bytes, ${length} ${dtype} need ${bytes}`, {
      expected: bytes,
      received: buffers[i]!.bytes,
      hint: "allocate it for the program",
    });
  }
}
