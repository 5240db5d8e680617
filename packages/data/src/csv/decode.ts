/** Bytes of a text file to text: recognizes byte-order marks, and refuses to guess where a guess could be wrong. */
import { ValueError } from "@dormouse/tensor";

/** Encodings a file can be in. `latin1` is Windows-1252, as the web reads it. */
export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1";

/** The text of `bytes`: by `encoding`, else by byte-order mark, else UTF-8, which is checked. */
export function decodeText(bytes: Uint8Array, encoding?: Encoding): string {
  const [a, b] = bytes;
  const marked: Encoding | undefined =
    a === 0xff && b === 0xfe ? "utf-16le" : a === 0xfe && b === 0xff ? "utf-16be" : undefined;
  if (!encoding && !marked) refuseOthers(bytes);
  const used = encoding ?? marked ?? "utf-8";
  try {
    return new TextDecoder(used, { fatal: true }).decode(bytes);
  } catch {
    throw new ValueError("readCsv", `the bytes are not text in ${used}`, {
      expected: used,
      hint:
        used === "utf-8" ? 'pass the encoding: { encoding: "latin1" } for older spreadsheets' : "pass another encoding",
    });
  }
}

function refuseOthers(bytes: Uint8Array): void {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw new ValueError("readCsv", "the bytes are gzip-compressed", {
      hint: "decompress them first: await gunzip(bytes) from @dormouse/formats",
    });
  }
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3) {
    throw new ValueError("readCsv", "the bytes are a zip archive or a spreadsheet", { hint: "save it as CSV" });
  }
  const zero = bytes.subarray(0, 4096).indexOf(0);
  if (zero >= 0) {
    throw new ValueError("readCsv", `byte ${zero} is 0, which no text in UTF-8 holds`, {
      hint: `if this is text, pass { encoding: "${zero % 2 === 1 ? "utf-16le" : "utf-16be"}" }`,
    });
  }
}
