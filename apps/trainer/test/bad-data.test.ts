/** What people hand in: files that are read in spite of their form, and those that are refused, by message and status. */
import { readFileSync } from "node:fs";
import { gzip } from "@dormouse/formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace } from "./support.ts";

let work: Workplace;
beforeAll(() => void (work = new Workplace()));
afterAll(() => work.remove());

/** Sixty rows of two numbers and a class that the first decides, but for some rows. */
const lines = Array.from({ length: 60 }, (_, i) => [((i * 37) % 60) / 4, ((i * 7) % 11) + 0.5, (i * 37) % 60 < 30 !== (i % 8 === 3) ? "gr\u00fcn" : "rot"] as const);
const csv = (delimiter = ",", end = "\n", decimal = "."): string =>
  [["a", "b", "kind"], ...lines].map((cells) => cells.map((cell) => String(cell).replace(".", decimal)).join(delimiter)).join(end) + end;
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const utf16 = (text: string, big: boolean): Uint8Array =>
  Uint8Array.from(Array.from(text).flatMap((letter) => (big ? [letter.charCodeAt(0) >> 8, letter.charCodeAt(0) & 255] : [letter.charCodeAt(0) & 255, letter.charCodeAt(0) >> 8])));
const body = csv().split("\n").slice(1).join("\n");
const target = ["--target", "kind"];

describe("odd files that train", () => {
  it.each<[string, string | Uint8Array | Promise<Uint8Array>, readonly string[], string]>([
    ["commas", csv(), target, "kind: classification (2 different values)"],
    ["semicolons and decimal commas", csv(";", "\n", ","), target, ""],
    ["tabs", csv("\t"), target, ""],
    ["bars", csv("|"), target, ""],
    ["blanks", csv("   "), target, ""],
    ["CRLF", csv(",", "\r\n"), target, ""],
    ["old Macintosh line ends", csv(",", "\r"), target, ""],
    ["no line feed at the end", csv().trimEnd(), target, ""],
    ["empty lines", csv().replaceAll("\n", "\n\n"), target, ""],
    ["a byte-order mark", `\ufeff${csv()}`, target, ""],
    ["latin-1", latin1(csv()), target, "read as latin1 (Windows-1252), because the bytes are not UTF-8; --encoding sets another"],
    ["latin-1 by name", latin1(csv()), [...target, "--encoding", "latin1"], ""],
    ["UTF-16, little-endian", utf16(`\ufeff${csv()}`, false), target, ""],
    ["UTF-16, big-endian", utf16(`\ufeff${csv()}`, true), target, ""],
    ["UTF-16 without a mark, by name", utf16(csv(), false), [...target, "--encoding", "utf-16le"], ""],
    ["gzip", gzip(new TextEncoder().encode(csv())), target, ""],
    ["no header, numbered columns", body, ["--target", "column3"], "column3: classification"],
    ["no header, names given", body, [...target, "--columns", "a,b,kind"], "kind: classification"],
    ["a header, other names given", csv(), ["--target", "z", "--columns", "x,y,z"], "z: classification"],
    ["a header that is given again", csv(), [...target, "--columns", "a,b,kind"], "kind: classification"],
    ["comments", `# made by hand\n${csv()}# end\n`, [...target, "--comment", "#"], ""],
    ["ragged lines that may be skipped", csv().replace("\n", "\n1,2\n"), [...target, "--ragged", "skip"], "left out 1 ragged line: 2"],
    ["quoted cells with delimiters", csv().replaceAll("rot", '"rot, wie ""Blut"""'), target, ""],
    ["gaps in the target", csv().replace("rot", "").replace("rot", "NA"), target, "left out 2 rows without kind"],
    ["gaps under another word", csv().replace("0.5", "none"), [...target, "--missing", "none,NA"], ""],
    ["a class of one row", csv().replace("rot", "blau"), target, 'note: kind has classes of fewer than 10 rows: "blau" (1)'],
    ["a leaking column", csv().replaceAll("rot", "rot,1").replaceAll("grün", "grün,0").replace("kind", "kind,code"), target, "note: code alone tells kind in 100 % of rows"],
    ["a constant column", csv().replaceAll("rot", "rot,1").replaceAll("grün", "grün,1").replace("kind", "kind,one"), target, 'set aside one: constant (every value is "1")'],
    ["a column twice", csv().replace(/^(.*?),/gm, "$1,$1,").replace("a,a", "a,again"), target, "note: again is the same as a in every row"],
    ["numbers with a stray word", csv().replace("0.5", "about 5"), target, 'note: b holds numbers, but also "about 5"'],
    // The rows of `lines`, with gaps in b, as hyparquet-writer 0.17 wrote them.
    ["Parquet", readFileSync(new URL("fixtures/rows.parquet", import.meta.url)), target, "kind: classification (2 different values)"],
    ["JSON lines", lines.map(([a, b, kind]) => JSON.stringify({ a, b, kind })).join("\n"), target, ""],
    ["split by groups", csv(), [...target, "--split", "group", "--split-column", "a"], "divided by the groups of a"],
    ["split by time", csv(), [...target, "--split", "time", "--split-column", "b"], "divided by b: the latest rows are the test part"],
    ["split by a column", csv().replace("kind", "kind,part").replaceAll(/(\d+),(rot|grün)/g, (_, n: string, kind: string) => `${n},${kind},${"test train"}`).replaceAll(/,test train/g, () => ",train").replace(",train", ",test").replace(",train", ",Test"), [...target, "--split", "column", "--split-column", "part"], "divided as part says, which names no validation and no calibration: taken from train"],
  ])("%s", async (name, content, words, message) => {
    const file = work.write(`good${name === "JSON lines" ? ".jsonl" : ".csv"}`, await content);
    const { code, error } = await work.run(["train", file, ...words, "--epochs", "1", "--hidden", "4", "--threads", "1", "--json"]);
    expect(error).toContain(message);
    expect({ code, parts: /train \d+, validation \d+/.test(error) }, error).toEqual({ code: 0, parts: true });
    if (message === "") expect(error).not.toMatch(/note:|set aside|read as|left out/);
  });

  it("reads new rows as it read those to learn from", async () => {
    const file = work.write("learn.csv", latin1(csv(";", "\r\n", ",")));
    const { runDir } = JSON.parse((await work.run(["train", file, ...target, "--epochs", "2", "--json"])).out);
    const rows = work.write("new.csv", latin1("b;a\r\n1,5;0,25\r\n2,5;14,5\r\n"));
    const { out, code } = await work.run(["predict", runDir, rows]);
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toContain("p(grün)");
    expect(out.trim().split("\n")).toHaveLength(3);
    const commented = work.write("new.csv", latin1("% rows\r\nb;a\r\n1,5;0,25\r\n"));
    expect((await work.run(["predict", runDir, commented])).code).toBe(3);
    expect((await work.run(["predict", runDir, commented, "--comment", "%"])).code).toBe(0);
  });
});

describe("files and commands that are refused", () => {
  it.each<[string, string | Uint8Array, readonly string[], number, string]>([
    ["nothing in it", "", target, 3, "FILE: the file has no rows; check that it is the right file"],
    ["only blank lines", "\n \n\n", target, 3, "FILE: the file has no rows"],
    ["only a header", "a,b,kind\n", target, 2, "--target kind: FILE has no such column; it has column1, column2, column3"],
    ["one row", "a,b,kind\n1,2,x\n", target, 3, "FILE: 1 row with kind is too few; at least 10 are needed"],
    ["nine rows", csv().split("\n").slice(0, 10).join("\n"), target, 3, "FILE: 9 rows with kind are too few; at least 10 are needed"],
    ["no target named", csv(), [], 2, "FILE: which column is to be predicted? --target <column>, one of a, b, kind"],
    ["no target named, no header", body, [], 2, "one of column1, column2, column3 (the file has no header; --columns <names> gives one)"],
    ["a target misspelt", csv(), ["--target", "kimd"], 2, "--target kimd: FILE has no such column; did you mean kind?"],
    ["a target far off", csv(), ["--target", "price"], 2, "--target price: FILE has no such column; it has a, b, kind"],
    ["a target with one value", csv().replaceAll("rot", "grün"), target, 3, 'FILE: the target kind has only the value "grün"; choose another target, or more rows'],
    ["a target without values", csv().replaceAll(/rot|grün/g, "NA"), target, 3, "FILE: 0 rows with kind are too few"],
    ["words as numbers to predict", csv(), [...target, "--task", "regression"], 3, "FILE: the target kind is not a number everywhere; use --task classification"],
    ["a target that is another in every row", csv().split("\n").map((line, i) => (i === 0 ? `${line},name` : line && `${line},n${i}x`)).join("\n"), ["--target", "name"], 3, "FILE: the target name has 60 classes in 60 rows; choose another target, or ask for --task classification"],
    ["too few cells in a line", csv().replace("\n", "\n1,2\n"), target, 3, "FILE: line 2 has 2 cells instead of 3; mend it, or pass --comment <sign> or --ragged skip"],
    ["too many cells in a line", `${csv()}1,2,rot,4\n`, target, 3, "FILE: line 62 has 4 cells instead of 3"],
    ["a quote that never ends", `${csv()}1,2,"rot\n`, target, 3, "FILE: line 62: a quote is opened and never closed"],
    ["a letter after a quote", `${csv()}1,2,"rot"x\n`, target, 3, 'FILE: line 62: "x" follows a closing quote; write a quote inside a cell twice: ""'],
    ["two columns of one name", csv().replace("a,b", "a,a"), [...target, "--set", "data.header=true"], 3, 'FILE: two columns are named "a"; rename one, or pass --columns <names>'],
    ["no column to learn from", csv().replace(/^.*?,.*?,/gm, ""), target, 3, "FILE: kind is the only column; there is nothing to predict it from"],
    ["only columns of text", csv().split("\n").map((line, i) => (i === 0 ? "name,kind" : line && `name ${i}x,${line.split(",")[2]!}`)).join("\n"), target, 3, 'FILE: no column is left to learn from: name is set aside: text (60 different values in 60 rows); --set "data.types={name: kind}" says otherwise'],
    ["numbers with signs", csv().split("\n").map((line, i) => (i === 0 ? "price,kind" : line && `$${i},${line.split(",")[2]!}`)).join("\n"), target, 3, 'price looks like numbers with signs or separators, as "$1": write them plainly'],
    ["numbers beyond all measure", csv().replace("0.5", "1e300"), target, 3, "FILE: the squares of b are too large to be added; mend extreme values, or write the column in another unit"],
    ["a comment before the header", `made by hand\n${csv()}`, target, 3, "FILE: line 2 has 3 cells instead of 1 (and 60 more lines)"],
    ["UTF-16 without a mark", utf16(csv(), false), target, 3, "FILE: byte 1 is 0, which no text in UTF-8 holds; if this is text, pass --encoding utf-16le"],
    ["the wrong encoding", latin1(csv()), [...target, "--encoding", "utf-8"], 3, "FILE: the bytes are not text in utf-8; name the encoding: --encoding latin1 for older spreadsheets"],
    ["a spreadsheet", latin1("PK\x03\x04 sheet"), target, 3, "FILE: the bytes are a zip archive or a spreadsheet; save it as CSV"],
    ["broken gzip", Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3), target, 3, "FILE: "],
    ["broken Parquet", latin1("PAR1 nothing PAR1"), target, 3, "FILE: the file cannot be read"],
    ["too few names", csv(), [...target, "--columns", "x,y"], 2, "--columns has 2 names, the file 3 columns"],
    ["a name twice", body, [...target, "--columns", "x,kind,x"], 2, "--columns has the name x twice"],
    ["excluding what is not there", csv(), [...target, "--exclude", "bb"], 2, "--exclude bb: FILE has no such column; did you mean b?"],
    ["excluding the target", csv(), [...target, "--exclude", "kind"], 2, "--exclude kind: this is the target"],
    ["kinds of columns that are not there", csv(), [...target, "--set", "data.types={c: number}"], 3, 'FILE: types names the column "c", which is not there; columns are a, b, kind'],
    ["words taken for numbers", csv().replace("0.5", "five"), [...target, "--set", "data.types={b: number}"], 3, 'FILE: column b has "five" at row 0, which is not a number; take it for a category'],
    ["groups that are not there", csv(), [...target, "--split", "group", "--split-column", "bb"], 2, "--split-column bb: there is no such column; did you mean b?; columns are a, b, kind"],
    ["too few groups", csv().replaceAll(/,\d+\.5,/g, ",7,"), [...target, "--split", "group", "--split-column", "b"], 3, "FILE: part "],
    ["times that are none", csv(), ["--target", "a", "--split", "time", "--split-column", "kind"], 3, 'FILE: --split-column kind: "grün" is neither a number nor a date that begins with the year, as 2024-05-31'],
    ["parts of another name", csv(), ["--target", "a", "--split", "column", "--split-column", "kind"], 3, 'FILE: --split-column kind: "grün" names no part; parts are train, validation, calibration, test'],
    ["dividing by the target", csv(), [...target, "--split", "group", "--split-column", "kind"], 2, "--split-column kind: this is the target"],
    ["classes of a number", csv(), ["--target", "a", "--split", "stratified"], 2, "--split stratified: the target is a number and has no classes; use random"],
    ["a split without its column", csv(), [...target, "--split", "group"], 2, "--split group: by which column? --split-column <column>"],
    ["a limit below all sense", csv(), [...target, "--limit", "5"], 2, "--limit 5: at least 10 rows are needed"],
    ["a flag misspelt", csv(), [...target, "--epocs", "3"], 2, "unknown option '--epocs' (Did you mean --epochs?)"],
    ["a setting misspelt", csv(), [...target, "--set", "training.epocs=3"], 2, "there is no setting training.epocs; did you mean training.epochs?"],
    ["a word for a number", csv(), [...target, "--epochs", "many"], 2, "--epochs many: must be a whole number of at least 1"],
    ["JSON that is no table", "{}\n[1]\n", target, 3, "FILE: line 2 is not an object"],
  ])("%s", async (_name, content, words, code, message) => {
    const file = work.write(content === "{}\n[1]\n" ? "bad.jsonl" : "bad.csv", content);
    const outcome = await work.run(["train", file, ...words, "--threads", "1"]);
    expect(outcome.error).toContain(message.replaceAll("FILE", file));
    expect(outcome.error).toMatch(/^dormouse: [^\n]*\n$/);
    expect(outcome).toMatchObject({ code, out: "" });
  });

  it("data that is named twice", async () => {
    const file = work.write("bad.csv", csv());
    expect(await work.run(["train", file, "--data", "other.csv"])).toMatchObject({
      code: 2, error: `dormouse: ${file} and data.path other.csv both name data; give one (--data <path> wins over files of settings)\n`,
    });
  });

  it("folders: none, one of tables, one of nothing", async () => {
    const file = work.write("bad.csv", csv());
    expect(await work.run(["train", work.path, ...target])).toMatchObject({ code: 3, error: `dormouse: ${work.path} is a folder; name a file in it, as ${file}\n` });
    expect(await work.run(["train", "./none.csv", ...target])).toMatchObject({ code: 3, error: "dormouse: ./none.csv: there is no such file or folder\n" });
    expect(await work.run(["train", "digit"])).toMatchObject({ code: 2, error: expect.stringContaining("did you mean digits?") as string });
  });
});
