import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CsvOptions,
  type Delimiter,
  featuresFromJSON,
  fitFeatures,
  readCsv,
  readJsonLines,
  tableOf,
} from "../src/index.ts";
import { detectDelimiter, parseRows } from "../src/csv/parse.ts";

const load = (name: string): Uint8Array => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
const utf16 = (text: string, little: boolean): Uint8Array => {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), little);
  return new Uint8Array(view.buffer);
};

describe("rows", () => {
  test.each<[string, string, Delimiter, string[][]]>([
    [
      "plain",
      "a,b\n1,2\n",
      ",",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "no last line feed",
      "a,b\n1,2",
      ",",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "CRLF",
      "a,b\r\n1,2\r\n",
      ",",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "CR",
      "a,b\r1,2\r",
      ",",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "empty lines",
      "\n\na,b\n\n1,2\n\n",
      ",",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "empty cells",
      ",\n,,\na,,\n",
      ",",
      [
        ["", ""],
        ["", "", ""],
        ["a", "", ""],
      ],
    ],
    ["quotes", '"a,b","say ""hi""",""\n', ",", [["a,b", 'say "hi"', ""]]],
    [
      "line feeds in quotes",
      '"1\n2","3\r\n4"\n5,6',
      ",",
      [
        ["1\n2", "3\r\n4"],
        ["5", "6"],
      ],
    ],
    ["blanks around cells", ' 1 , "x y" ,  z\t\n', ",", [["1", "x y", "z"]]],
    ["quote inside a cell", "5\" pipe,o'clock\n", ",", [['5" pipe', "o'clock"]]],
    ["tabs", "a b\t\tc\n", "\t", [["a b", "", "c"]]],
    ["semicolons", "1,5;2\n", ";", [["1,5", "2"]]],
    [
      "runs of blanks",
      '  1   2\t3  \n4 "5 6"\t7\n',
      "blanks",
      [
        ["1", "2", "3"],
        ["4", "5 6", "7"],
      ],
    ],
    ["nothing", "", ",", []],
    ["one column", "a\nb\n", ",", [["a"], ["b"]]],
  ])("%s", (_, text, delimiter, rows) => {
    expect(parseRows(text, delimiter).map(({ cells }) => cells)).toEqual(rows);
  });
  test("line numbers count the lines inside quotes, and comments", () => {
    const rows = parseRows('# note\na,"x\r\ny\nz"\nb,c\n# more\n\nd,e', ",", "#");
    expect(rows.map(({ line }) => line)).toEqual([2, 5, 8]);
  });
  test.each([
    ['a,"b\nc\n', /line 1: a quote is opened and never closed/],
    ['x,y\n"a"b,c\n', /line 2: "b" follows a closing quote/],
  ])("%j is an error", (text, message) => {
    expect(() => parseRows(text, ",")).toThrow(message);
  });
  test.each<[string, Delimiter | null]>([
    ["a,b,c\n1,2,3\n", ","],
    ["a;b\n1,5;2,5\n3,5;1,0\n", ";"],
    ["a\tb c\n1\t2 3\n", "\t"],
    ["a|b\n1|2\n", "|"],
    ["1 2  3\n4  5 6\n", "blanks"],
    ["name, first name\nA B, C\nD, E F\n", ","],
    ['"a;b",c\n"d;e;f",g\n', ","],
    ["alone\nb\nc\n", null],
  ])("%j is delimited by %j", (text, delimiter) => {
    expect(detectDelimiter(text)).toBe(delimiter);
  });
});

describe("any text comes back from between quotes", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", "é", "1", '"', ",", ";", "\n", "\r", " ", "\t", "#", "'") });
  test.each<Delimiter>([",", ";", "\t", "|", "blanks"])("delimiter %j", (delimiter) => {
    const between = delimiter === "blanks" ? "  " : delimiter;
    fc.assert(
      fc.property(
        fc
          .integer({ min: 2, max: 4 })
          .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 5 })),
        fc.constantFrom("\n", "\r\n", "\r"),
        (rows, end) => {
          const text = rows
            .map((cells) => cells.map((value) => `"${value.replaceAll('"', '""')}"`).join(between) + end)
            .join("");
          expect(parseRows(text, delimiter).map(({ cells }) => cells)).toEqual(rows);
        },
      ),
    );
  });
});

describe("records", () => {
  test("objects become rows; what is missing is null", () => {
    const table = tableOf([
      { age: 30, city: "Lund", member: true },
      { city: "Turku", age: NaN },
      { age: 1e21, city: null, member: false },
    ]);
    expect(table.names).toEqual(["age", "city", "member"]);
    expect([...table.numbers("age")]).toEqual([30, NaN, 1e21]);
    expect(table.column("city").cells).toEqual(["Lund", "Turku", null]);
    expect(table.column("member").type).toBe("binary");
    expect(() => tableOf([])).toThrow(/no records/);
    expect(() => tableOf([{ a: [1] as unknown as number }])).toThrow(/a at row 0 is not a plain value/);
  });
  test("features fitted on a file apply to a record", () => {
    const fitted = fitFeatures(readCsv("size,color\n1,red\n3,blue\n1,red\n3,blue\n"));
    expect(fitted.names).toEqual(["size=3", "size is unknown", "color=red", "color is unknown"]);
    expect([
      ...fitted.transform(
        tableOf([
          { color: "red", size: 3 },
          { size: 1, color: null },
        ]),
      ).data,
    ]).toEqual([1, 0, 1, 0, 0, 0, 0.5, 1]);
  });
  test("lines of JSON", () => {
    expect([...readJsonLines('{"a":1}\n\n{"a":2.5}\r\n').numbers("a")]).toEqual([1, 2.5]);
    expect(() => readJsonLines('{"a":1}\n{a}')).toThrow(/line 2 is not JSON/);
    expect(() => readJsonLines("[1]")).toThrow(/line 1 is not an object/);
  });
});

describe("readCsv", () => {
  test("quotes, missing values and kinds of columns", () => {
    const table = readCsv(load("people.csv"));
    expect(table.length).toBe(6);
    expect(Object.fromEntries(table.columns.map(({ name, type }) => [name, type]))).toEqual({
      id: "id",
      name: "text",
      age: "number",
      city: "category",
      member: "binary",
      joined: "date",
      score: "number",
      plan: "constant",
    });
    expect(table.column("name").cells.slice(0, 4)).toEqual(['Ines "Nes" Ott', "Falk, Uwe", "Mira Dahl", "Two\nlines"]);
    expect([...table.numbers("age")]).toEqual([34, NaN, 51, 29, 45, 38]);
    expect([...table.numbers("score")]).toEqual([1.5, 2.25, -0.5, 0.01, 0.75, 4]);
    expect(table.setAside).toEqual([
      "id: id (every row has another number, counting up or named as an id)",
      "name: text (6 different values in 6 rows)",
      "joined: date (all values are dates)",
      'plan: constant (every value is "a")',
    ]);
    expect(table.dropMissing("age").length).toBe(5);
    expect(table.dropMissing().length).toBe(4);
    expect(() => table.numbers("city")).toThrow(/column city has "Bergen" at row 0, which is not a number/);
    expect(() => table.column("town")).toThrow(/no column "town"; columns are id, name/);
    expect(() => table.subset([6])).toThrow(/row 6 is not below the 6 rows/);
  });
  test("decimal commas, semicolons, CRLF, Latin-1", () => {
    const table = readCsv(load("german-latin1.csv"), { encoding: "latin1" });
    expect(table.names).toEqual(["größe", "preis", "art"]);
    expect(table.decimal).toBe(",");
    expect([...table.numbers("größe")]).toEqual([1.5, 2.5, 3, -0.5]);
    expect([...table.numbers("preis")]).toEqual([10.25, 20.5, NaN, 7.125]);
    expect(() => readCsv(load("german-latin1.csv"))).toThrow(
      /not text in utf-8; pass the encoding: \{ encoding: "latin1" \}/,
    );
  });
  test("runs of blanks, a tab and quotes, no header", () => {
    const table = readCsv(load("cars.data"));
    expect(table.names).toEqual(["column1", "column2", "column3", "column4", "column5", "column6", "column7"]);
    expect([...table.numbers("column4")]).toEqual([130, 165, NaN, 46]);
    expect(table.column("column7").cells[1]).toBe("big 'un");
  });
  test.each([
    ["UTF-8 mark", new TextEncoder().encode("\ufeffä,b\n1,2\n")],
    ["UTF-16 little-endian", utf16("\ufeffä,b\n1,2\n", true)],
    ["UTF-16 big-endian", utf16("\ufeffä,b\n1,2\n", false)],
  ])("%s", (_, bytes) => {
    expect(readCsv(bytes).names).toEqual(["ä", "b"]);
  });
  test.each<[string, string, CsvOptions, string[], number]>([
    ["names over numbers", "a,b\n1,2\n3,4\n", {}, ["a", "b"], 2],
    ["numbers only", "1,2\n3,4\n", {}, ["column1", "column2"], 2],
    ["all text", "kind,color\nx,red\ny,blue\n", {}, ["kind", "color"], 2],
    ["a value that comes back", "x,red\ny,blue\nx,green\n", {}, ["column1", "column2"], 3],
    ["row numbers without a name", ",a\n0,5\n1,6\n", {}, ["column1", "a"], 2],
    ["asked for", "1,2\n3,4\n", { header: true }, ["1", "2"], 1],
    ["denied", "a,b\nc,d\n", { header: false }, ["column1", "column2"], 2],
    ["given", "1,2\n3,4\n", { header: ["u", "v"] }, ["u", "v"], 2],
  ])("header: %s", (_, text, options, names, length) => {
    const table = readCsv(text, options);
    expect(table.names).toEqual(names);
    expect(table.length).toBe(length);
  });
  test("numbers whose spread is beyond float64 are refused by name", () => {
    const rows = Array.from({ length: 9 }, (_, i) => ({ a: i * i, b: i === 4 ? "1e300" : String(i * i) }));
    expect(() => fitFeatures(tableOf(rows))).toThrow(/the squares of b are too large to be added; mend extreme values/);
    expect(() => fitFeatures(tableOf(rows), { target: "b", task: "regression" })).toThrow(/the squares of b are too large/);
  });
  test("a first line that is not like the others is named, and not the others", () => {
    expect(() => readCsv("|1x3 check\n1,2\n3,4\n5,6\n", { delimiter: ",", header: false })).toThrow(
      /^readCsv: line 1 has 1 cell, but 3 of 4 lines have another number; if it is a comment/,
    );
  });
  test("ragged rows", () => {
    const text = "a,b\n1,2\n3\n4,5,6\n7,8\n";
    expect(() => readCsv(text)).toThrow(
      /^readCsv: line 3 has 1 cell instead of 2 \(and 1 more line\); .*ragged: "skip"/,
    );
    const table = readCsv(text, { ragged: "skip" });
    expect([...table.numbers("a")]).toEqual([1, 7]);
    expect(table.skippedLines).toEqual([3, 4]);
  });
  test.each<[string | Uint8Array, CsvOptions, RegExp]>([
    ["", {}, /the file has no rows/],
    ["a,a\n1,2\n", { header: true }, /two columns are named "a"/],
    [Uint8Array.of(0x1f, 0x8b, 8), {}, /gzip-compressed; decompress them first/],
    [Uint8Array.of(0x50, 0x4b, 3, 4), {}, /spreadsheet; save it as CSV/],
    [utf16("a,b\n", true), {}, /byte 1 is 0.*encoding: "utf-16le"/],
    [utf16("a,b\n", false), {}, /byte 0 is 0.*encoding: "utf-16be"/],
    ["a,b\n1,2\n", { types: { c: "text" } }, /types names the column "c"/],
  ])("%j with %o is an error", (source, options, message) => {
    expect(() => readCsv(source, options)).toThrow(message);
  });
  test("kinds can be asked for, and missing marks named", () => {
    const table = readCsv("a,b\n1,x\n2,-\n1,y\n", { types: { a: "category" }, missing: ["-"] });
    expect(table.column("a").type).toBe("category");
    expect(table.column("b").cells).toEqual(["x", null, "y"]);
  });
  test.each([
    ["2021-03-01", "date"],
    ["2021/3/1", "date"],
    ["1.3.2021", "date"],
    ["03/01/21", "date"],
    ["2021-03-01T12:30:05.25Z", "date"],
    ["2021-03-01 7:05+01:00", "date"],
    ["2021-03", "text"],
    ["12:30", "text"],
    ["2021-03-01x", "text"],
  ])("a column of values such as %s is a %s", (value, type) => {
    const [other, third] = [value.replace("1", "2"), value.replace("2", "1")];
    expect(readCsv(`v;w\n${value};1\n${other};2\n${third};3\n`).column("v").type).toBe(type);
  });
  test("counting columns are ids from 20 rows on", () => {
    const rows = (n: number): string =>
      `n,v\n${Array.from({ length: n }, (_, i) => `${i + 5},${(i * i) % 7}.5`).join("\n")}`;
    expect(readCsv(rows(19)).column("n").type).toBe("number");
    expect(readCsv(rows(20)).column("n").type).toBe("id");
  });
});

describe("features", () => {
  const train = readCsv(
    "size,color,wood,label\n1,red,no,cat\n2,blue,yes,dog\n,red,yes,cat\n6,,no,dog\n4,green,yes,cat\n5,red,no,dog\n",
  );
  const features = fitFeatures(train, { target: "label" });

  test("numbers: median, indicator, moments of the filled column", () => {
    const { data, shape, names } = features.transform(train);
    expect(names).toEqual([
      "size",
      "size is missing",
      "color=blue",
      "color=green",
      "color=red",
      "color is missing",
      "color is unknown",
      "wood=yes",
      "wood is unknown",
    ]);
    expect(shape).toEqual([6, 9]);
    const column = (name: string): number[] =>
      Array.from({ length: 6 }, (_, row) => data[row * 9 + names.indexOf(name)]!);
    // Values 1, 2, 4 (the median of 1 2 4 5 6), 6, 4, 5: mean 11/3, variance 98/6 - 121/9 = 26/9.
    [1, 2, 4, 6, 4, 5].forEach((value, row) =>
      expect(column("size")[row]).toBeCloseTo((value - 11 / 3) / Math.sqrt(26 / 9), 6),
    );
    expect(column("size is missing")).toEqual([0, 0, 1, 0, 0, 0]);
    expect(column("color=red")).toEqual([1, 0, 1, 0, 0, 1]);
    expect(column("color is missing")).toEqual([0, 0, 0, 1, 0, 0]);
    expect(column("color is unknown")).toEqual([0, 0, 0, 0, 0, 0]);
    expect(column("wood=yes")).toEqual([0, 1, 1, 0, 1, 0]);
  });
  test("new rows: unknown levels, missing values, columns in another order", () => {
    const table = readCsv("wood,extra,color,size\nmaybe,1,pink,2\n?,2,red,NA\n", { header: true });
    const { data } = features.transform(table);
    const mean = 11 / 3;
    const deviation = Math.sqrt(26 / 9);
    const rows = [
      [(2 - mean) / deviation, 0, 0, 0, 0, 0, 1, 0.5, 1],
      [(4 - mean) / deviation, 1, 0, 0, 1, 0, 0, 0.5, 1],
    ];
    rows.flat().forEach((value, i) => expect(data[i]).toBeCloseTo(value, 6));
    expect(() => features.transform(readCsv("color,wood\nred,yes\nblue,no\n"))).toThrow(/no column "size"/);
    expect(() => features.transform(readCsv("size,color,wood\nlarge,red,yes\n", { header: true }))).toThrow(
      /column size has "large" at row 0/,
    );
  });
  test("a category of numbers is matched by its text, whatever the new table takes it for", () => {
    const fitted = fitFeatures(readCsv("a,b\n1,3\n2,4\n10,9\n1,2\n2,7\n10,1\n", { types: { a: "category" } }));
    expect(fitted.names.slice(0, 4)).toEqual(["a=1", "a=2", "a=10", "a is unknown"]);
    expect([...fitted.transform(readCsv("a,b\n10,3\n3,4\n2,5\n")).data.filter((_, i) => i % 5 < 4)]).toEqual([
      0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0,
    ]);
  });
  test("scaling", () => {
    const table = readCsv("a,b\n2,7\n4,7\n10,7\n", { types: { b: "number" } });
    expect([...fitFeatures(table, { scale: "minMax" }).transform(table).data]).toEqual([0, 0, 0.25, 0, 1, 0]);
    expect([...fitFeatures(table, { scale: "none" }).transform(table).data]).toEqual([2, 7, 4, 7, 10, 7]);
    expect([...fitFeatures(table).transform(table).data].filter((_, i) => i % 2 === 1)).toEqual([0, 0, 0]);
  });
  test("classes", () => {
    expect(features.target).toMatchObject({ task: "classification", levels: ["cat", "dog"] });
    expect(features.encodeTarget(train)).toEqual(Int32Array.of(0, 1, 0, 1, 0, 1));
    expect(features.decodeTarget([1, 0])).toEqual(["dog", "cat"]);
    const data = features.dataset(train);
    expect(data.field("x").shape).toEqual([6, 9]);
    expect(data.field("y").shape).toEqual([6]);
    const other = readCsv("size,color,wood,label\n1,red,no,cow\n2,red,yes,\n");
    expect(() => features.encodeTarget(other)).toThrow(/missing at row 1; table.dropMissing\("label"\)/);
    expect(() => features.encodeTarget(other.subset([0]))).toThrow(
      /class "cow" at row 0 was not seen .*classes are cat, dog/,
    );
    expect(() => features.decodeTarget([2])).toThrow(/class 2 at row 0 is not below 2/);
  });
  test("regression is standardized and comes back", () => {
    const table = readCsv("x,y\n1,10.5\n2,20\n3,41\n4,39.5\n");
    const fitted = fitFeatures(table, { target: "y" });
    expect(fitted.target!.task).toBe("regression");
    const y = fitted.encodeTarget(table);
    expect(Array.from(y).reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
    expect(Array.from(y).reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(4, 5);
    [10.5, 20, 41, 39.5].forEach((value, row) =>
      expect((fitted.decodeTarget(y) as Float64Array)[row]).toBeCloseTo(value, 5),
    );
    expect(fitted.dataset(table).field("y").shape).toEqual([4, 1]);
  });
  test.each([
    ["y\n0\n1\n2\n0\n1\n2\n", undefined, "classification"],
    ["y\n0\n1\n2\n0\n1\n2\n", "regression", "regression"],
    ["y\n1\n5\n9\n30\n", undefined, "regression"],
    ["y\n0.5\n1.5\n0.5\n2.5\n1.5\n2.5\n", undefined, "regression"],
    ["y\n0\n1\n0\n1\n", undefined, "classification"],
    ["y\nup\ndown\nup\ndown\n", undefined, "classification"],
  ] as const)("the task of %j asked as %s is %s", (text, task, expected) => {
    const lines = text.trim().split("\n");
    const table = readCsv(lines.map((line, i) => `${i === 0 ? "x" : i * i},${line}`).join("\n"), { delimiter: "," });
    expect(fitFeatures(table, { target: "y", ...(task && { task }) }).target!.task).toBe(expected);
  });
  test("JSON and back gives the same numbers", () => {
    const again = featuresFromJSON(JSON.parse(JSON.stringify(features)));
    expect(again.transform(train)).toEqual(features.transform(train));
    expect(again.target).toEqual(features.target);
    expect(again.toJSON()).toEqual(features.toJSON());
    expect(() => featuresFromJSON({ format: "other" })).toThrow(/format "other" is not known/);
    expect(() => featuresFromJSON(null)).toThrow(/not known/);
  });
  test("nothing comes from rows that were not given", () => {
    const all = readCsv("v,c\n1,a\n3,b\n1000,z\n2,a\n4,b\n");
    const fitted = fitFeatures(all.subset([0, 1, 3, 4]));
    expect(fitted.names).toEqual(["v", "c=a", "c=b", "c is unknown"]);
    const { data } = fitted.transform(all);
    expect(data[0]).toBeCloseTo(-1.5 / Math.sqrt(1.25), 6);
    expect([...data.subarray(9, 12)]).toEqual([0, 0, 1]);
  });
  test.each<[string, object, RegExp]>([
    ["a,b\n1,2\n2,3\n", { target: "c" }, /no column "c"/],
    ["a,b\n1,2\n2,3\n", { exclude: ["c"] }, /no column "c"/],
    ["a,b\n1,x\n1,x\n", { target: "b" }, /no feature is left \(a: constant/],
    ["a,b\n1,x\n2,x\n3,x\n", { target: "b" }, /target b has only the value "x"/],
    ["a,b\n1,x\n2,y\n3,z\n", { target: "b", task: "regression" }, /target b is not a number everywhere/],
    ["a,b\n1,x\n2,y\n3,z\n4,u\n", { target: "b" }, /target b has 4 classes in 4 rows/],
  ])("%j with %o is an error", (text, options, message) => {
    expect(() => fitFeatures(readCsv(text, { header: true }), options)).toThrow(message);
  });
});
