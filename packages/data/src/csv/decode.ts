/** Bytes of a text file to text: recognizes byte-order marks, and refuses to guess where a guess could be wrong. */
import { ValueError } from "@dormouse/tensor";

/** Encodings a file can be in. `latin1` is Windows-1252, as the web reads it. */
export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1";

/** The encoding that the first bytes of a text show: by byte-order mark, else UTF-8; throws for what is no text. */
export function encodingOf(op: string, bytes: Uint8Array): Encoding {
  const [a, b] = bytes;
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  refuseOthers(op, bytes);
  return "utf-8";
}

/** The text of `bytes`: by `encoding`, else by byte-order mark, else UTF-8, which is checked. */
export function decodeText(bytes: Uint8Array, encoding?: Encoding): string {
  const used = encoding ?? encodingOf("readCsv", bytes);
  try {
    // Not in one call: Node 20 and 22 then read Windows-1252 as ISO 8859-1, and "€" is lost.
    const decoder = new TextDecoder(used, { fatal: true });
    return decoder.decode(bytes, { stream: true }) + decoder.decode();
  } catch {
    throw new ValueError("readCsv", `the bytes are not text in ${used}`, {
      expected: used,
      hint:
        used === "utf-8" ? 'pass the encoding: { encoding: "latin1" } for older spreadsheets' : "pass another encoding",
    });
  }
}

function refuseOthers(op: string, bytes: Uint8Array): void {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw new ValueError(op, "the bytes are gzip-compressed", {
      hint:
        op === "readCsv"
          ? "decompress them first: await gunzip(bytes) from @dormouse/formats"
          : 'decompress them on the way: () => file.stream().pipeThrough(new DecompressionStream("gzip"))',
    });
  }
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3) {
    throw new ValueError(op, "the bytes are a zip archive or a spreadsheet", { hint: "save it as CSV" });
  }
  const zero = bytes.subarray(0, 4096).indexOf(0);
  if (zero >= 0) {
    throw new ValueError(op, `byte ${zero} is 0, which no text in UTF-8 holds`, {
      hint: `if this is text, pass { encoding: "${zero % 2 === 1 ? "utf-16le" : "utf-16be"}" }`,
    });
  }
}
