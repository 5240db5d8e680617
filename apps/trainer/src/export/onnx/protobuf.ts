/**
 * Protocol-buffer messages as bytes: the wire format of https://protobuf.dev/programming-guides/encoding, of which ONNX
 * needs whole numbers, single-precision numbers, text, bytes and messages. Knows nothing of ONNX.
 */

/** The fields of one message, in the order they are added. */
export class Message {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** A whole number, as int64, int32 or an enumeration. */
  whole(field: number, value: number): this {
    return this.#add(varint((BigInt(field) << 3n) | 0n), varint(BigInt.asUintN(64, BigInt(value))));
  }

  /** A float. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#add(varint((BigInt(field) << 3n) | 5n), bytes);
  }

  /** Text as UTF-8. */
  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#add(varint((BigInt(field) << 3n) | 2n), varint(BigInt(value.length)), value);
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.encode());
  }

  /** All fields as bytes. */
  encode(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #add(...parts: readonly Uint8Array[]): this {
    for (const part of parts) {
      this.#parts.push(part);
      this.#length += part.length;
    }
    return this;
  }
}

/** Seven bits in a byte, the lowest first; the highest bit says that more follow. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
