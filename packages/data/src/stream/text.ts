/**
 * Text that arrives in pieces: bytes decoded as they come, and cut into lines. Holds one piece and one unfinished line.
 */
import { ValueError } from "@dormouse/tensor";
import { type Encoding, encodingOf } from "../csv/decode.ts";
import type { Items } from "./stream.ts";

/** Pieces of text, or of bytes cut anywhere. */
export type TextItems = Items<string | Uint8Array>;

/**
 * Where text comes from: all of it at once, a `Blob` or `File` (in Node: `await openAsBlob(path)` of `node:fs`), a
 * stream such as `response.body`, or, for what can be read only once, a function that opens it for an epoch
 * (`() => createReadStream(path)`).
 */
export type TextSource =
  string | Uint8Array | ArrayBuffer | Blob | TextItems | ((epoch: number) => TextItems | Promise<TextItems>);

/** How text in pieces is read. */
export interface TextOptions {
  /** Default: by byte-order mark, else UTF-8, which is checked. */
  readonly encoding?: Encoding;
}

/** Longest line or row in characters: what a quote that is never closed may cost. */
export const longestRow = 1 << 24;

/** What `stream` takes, for a source of text. */
export function openText(source: TextSource): TextItems | ((epoch: number) => TextItems | Promise<TextItems>) {
  if (typeof source === "function") return source;
  if (typeof source === "string" || source instanceof Uint8Array) return [source];
  if (source instanceof ArrayBuffer) return [new Uint8Array(source)];
  // A blob gives another stream of its bytes every time.
  if (source instanceof Blob) return () => source.stream() as unknown as AsyncIterable<Uint8Array>;
  return source;
}

/** The text of `pieces`, without a byte-order mark; `op` is for messages. */
export async function* decoded(
  op: string,
  pieces: AsyncIterable<string | Uint8Array>,
  { encoding }: TextOptions,
): AsyncGenerator<string, void, undefined> {
  let decoder: TextDecoder | undefined;
  let first = true;
  // The encoding shows in the first four bytes, which can come in more than one piece.
  let head = new Uint8Array(0);
  const decode = (bytes: Uint8Array | undefined): string => {
    const used = encoding ?? encodingOf(op, head);
    decoder ??= new TextDecoder(used, { fatal: true });
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw new ValueError(op, `the bytes are not text in ${used}`, {
        expected: used,
        hint: "pass another encoding: { encoding }",
      });
    }
  };
  const unmarked = (text: string): string => {
    const marked = first && text.startsWith("\ufeff");
    if (text !== "") first = false;
    return marked ? text.slice(1) : text;
  };
  for await (const piece of pieces) {
    if (typeof piece === "string") {
      yield unmarked(piece);
    } else if (decoder) {
      yield unmarked(decode(piece));
    } else {
      head = joined(head, piece);
      if (head.length >= 4) yield unmarked(decode(head));
    }
  }
  if (!decoder && head.length > 0) yield unmarked(decode(head));
  if (decoder) yield unmarked(decode(undefined));
}

/** The lines of `text` with their numbers from 1, without line ends. A last line that is empty is none. */
export async function* linesOf(
  op: string,
  text: AsyncIterable<string>,
): AsyncGenerator<{ readonly text: string; readonly line: number }, void, undefined> {
  let rest = "";
  let line = 1;
  for await (const piece of text) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    checkLength(op, rest, line + lines.length);
    for (const whole of lines) yield { text: whole.endsWith("\r") ? whole.slice(0, -1) : whole, line: line++ };
  }
  if (rest !== "") yield { text: rest, line };
}

/** Throws where what waits for its end is longer than any row of data. */
export function checkLength(op: string, rest: string, line: number): void {
  if (rest.length > longestRow) {
    throw new ValueError(op, `line ${line} begins a row of more than ${longestRow} characters`, {
      expected: longestRow,
      received: rest.length,
      hint: "check that the file is text, and for a quote that is never closed",
    });
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
