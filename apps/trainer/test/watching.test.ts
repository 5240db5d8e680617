/** What can be watched while a run goes on: events for TensorBoard, metrics.csv, the chart and the colors. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EpochReport, StepReport } from "@dormouse/train";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventFile, crc32c } from "../src/events.ts";
import { brailleChart, duration, progress } from "../src/progress.ts";
import { wantsColor } from "../src/terminal.ts";
import { metricsCsv } from "../src/training.ts";
import { Workplace } from "./support.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "dormouse-watching-"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** CRC-32C bit by bit, with the polynomial the other way round from the table of the writer. */
function slowCrc(bytes: Uint8Array): number {
  let register = 0xffffffffn;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const top = (register >> 31n) & 1n;
      register = ((register << 1n) & 0xffffffffn) ^ ((top ^ BigInt((byte >> bit) & 1)) === 1n ? 0x1edc6f41n : 0n);
    }
  }
  let reversed = 0n;
  for (let bit = 0n; bit < 32n; bit++) reversed |= ((register >> bit) & 1n) << (31n - bit);
  return Number(reversed ^ 0xffffffffn);
}

const unmasked = (stored: number): number => {
  const turned = (stored - 0xa282ead8) >>> 0;
  return ((turned << 15) | (turned >>> 17)) >>> 0;
};

/** The fields of a protocol buffer by number: bigint of a varint, bytes of all else. */
function fieldsOf(bytes: Uint8Array): [number, bigint | Uint8Array][] {
  const fields: [number, bigint | Uint8Array][] = [];
  let at = 0;
  const varint = (): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
      shift += 7n;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const kind = tag & 7;
    if (kind === 0) fields.push([tag >> 3, varint()]);
    else {
      const length = kind === 1 ? 8 : kind === 5 ? 4 : Number(varint());
      fields.push([tag >> 3, bytes.slice(at, (at += length))]);
    }
  }
  expect(at).toBe(bytes.length);
  return fields;
}

interface Decoded {
  readonly seconds: number;
  readonly step: number;
  readonly version?: string;
  readonly session?: number;
  readonly scalars?: Readonly<Record<string, number>>;
}

/** Events of a file by the numbers of event.proto and summary.proto; checks lengths and checksums. */
function decodeEvents(path: string): Decoded[] {
  const file = new Uint8Array(readFileSync(path));
  const view = new DataView(file.buffer);
  const events: Decoded[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    expect(unmasked(view.getUint32(at + 8, true))).toBe(slowCrc(file.subarray(at, at + 8)));
    const data = file.slice(at + 12, at + 12 + length);
    expect(unmasked(view.getUint32(at + 12 + length, true))).toBe(slowCrc(data));
    at += 16 + length;
    const fields = new Map(fieldsOf(data));
    const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);
    const scalars = fields.has(5)
      ? Object.fromEntries(fieldsOf(fields.get(5) as Uint8Array).map(([, value]) => {
          const parts = new Map(fieldsOf(value as Uint8Array));
          return [text(parts.get(1)), new DataView((parts.get(2) as Uint8Array).buffer).getFloat32(0, true)];
        }))
      : undefined;
    events.push({
      seconds: new DataView((fields.get(1) as Uint8Array).buffer).getFloat64(0, true),
      step: Number(fields.get(2) ?? 0n),
      ...(fields.has(3) && { version: text(fields.get(3)) }),
      ...(fields.has(7) && { session: Number(new Map(fieldsOf(fields.get(7) as Uint8Array)).get(1)) }),
      ...(scalars && { scalars }),
    });
  }
  return events;
}

describe("events", () => {
  it.each([
    ["123456789", 0xe3069283],
    ["\0".repeat(32), 0x8a9136aa],
    ["\xff".repeat(32), 0x62a8ab43],
    ["", 0],
  ])("has the checksum of RFC 3720 for %j", (words, crc) => {
    const bytes = Uint8Array.from(words, (letter) => letter.charCodeAt(0));
    expect(crc32c(bytes)).toBe(crc);
    expect(slowCrc(bytes)).toBe(crc);
  });

  it("writes records that a reader of the published format understands", () => {
    const now = new Date("2024-05-06T07:08:09.250Z");
    const file = new EventFile(join(folder, "tb"), 0, now);
    file.scalars(1, { "loss/train": 0.5, "öäü 🐭": -Infinity }, now);
    file.scalars(300, { rate: NaN }, now);
    file.scalars(2 ** 40, Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`metric/${i}`, i / 3])), now);
    const seconds = now.getTime() / 1000;
    expect(decodeEvents(file.path)).toEqual([
      { seconds, step: 0, version: "brain.Event:2" },
      { seconds, step: 1, scalars: { "loss/train": 0.5, "öäü 🐭": -Infinity } },
      { seconds, step: 300, scalars: { rate: NaN } },
      { seconds, step: 2 ** 40, scalars: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`metric/${i}`, Math.fround(i / 3)])) },
    ]);
    expect(file.path).toMatch(/tb\/events\.out\.tfevents\.1714979289\./);
  });

  it("are written by a run, and say where a resumed one begins", async () => {
    const work = new Workplace();
    const words = ["digits", "--limit", "100", "--hidden", "8", "--batch", "16", "--threads", "1", "--json"];
    const { runDir } = JSON.parse((await work.run(["train", ...words, "--epochs", "2"])).out) as { runDir: string };
    const [name] = readdirSync(join(runDir, "tb"));
    const events = decodeEvents(join(runDir, "tb", name!));
    const history = readFileSync(join(runDir, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as EpochReport);
    const ofEpochs = events.filter(({ scalars }) => scalars && "loss/train" in scalars);
    expect(ofEpochs).toHaveLength(2);
    ofEpochs.forEach(({ step, scalars }, i) => {
      const { train, validation, learningRate, gradientNorm } = history[i]!;
      expect(step % (i + 1)).toBe(0);
      const expected = { "loss/train": train["loss"]!, "accuracy/train": train["accuracy"]!, "loss/validation": validation!["loss"]!, "accuracy/validation": validation!["accuracy"]!, learning_rate: learningRate!, "gradient_norm/epoch": gradientNorm! };
      expect(scalars).toEqual(Object.fromEntries(Object.entries(expected).map(([key, value]) => [key, Math.fround(value)])));
    });
    const [header, ...lines] = readFileSync(join(runDir, "metrics.csv"), "utf8").trim().split("\n");
    expect(header).toBe("epoch,seconds,learningRate,gradientNorm,train.loss,train.accuracy,validation.loss,validation.accuracy");
    expect(lines.map((line) => line.split(",").slice(4).map(Number))).toEqual(history.map(({ train, validation }) => [...Object.values(train), ...Object.values(validation!)]));
    await work.run(["train", "--resume", runDir, "--epochs", "3"]);
    const files = readdirSync(join(runDir, "tb")).filter((each) => each !== name);
    const later = files.length > 0 ? decodeEvents(join(runDir, "tb", files[0]!)) : decodeEvents(join(runDir, "tb", name!)).slice(events.length);
    expect(later[1]).toMatchObject({ session: 1, step: ofEpochs[1]!.step });
    work.remove();
  });
});

describe("metrics.csv", () => {
  it("names what is not finite and leaves out what there is not", () => {
    const report = { epoch: 0, seconds: 1.5, learningRate: null, gradientNorm: Infinity, train: { loss: NaN }, validation: null };
    expect(metricsCsv([report])).toBe("epoch,seconds,learningRate,gradientNorm,train.loss\n1,1.5,,Infinity,NaN\n");
  });
});

describe("the chart", () => {
  it("draws a falling line from the upper left to the lower right", () => {
    // 2 x 4 dots a character: 4 columns and 4 rows of dots, so a diagonal.
    expect(brailleChart([3, 2, 1, 0], { width: 2, height: 1 })).toEqual(["3 ⠑⢄"]);
    expect(brailleChart([0, 3], { width: 2, height: 2 })).toHaveLength(2);
  });

  it.each([
    [[], 0], [[1], 0], [[NaN, NaN], 0], [[Infinity, 1], 0], [[1, Infinity, NaN, -Infinity, 2], 4], [[5, 5, 5], 4], [[1e308, -1e308], 4], [[0, Number.MIN_VALUE], 4],
  ])("never throws: %j", (values, lines) => {
    const chart = brailleChart(values, { width: 10, height: 4 });
    expect(chart).toHaveLength(lines);
    for (const line of chart) expect(line).toMatch(/^ *\S* [\u2800-\u28ff]{10}$/);
  });

  it.each([[41.2, "42 s"], [187, "3:07"], [3765, "1:02:45"], [Infinity, "?"], [NaN, "?"]])("calls %d seconds %s", (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });
});

describe("the progress line", () => {
  const step: StepReport = { epoch: 1, step: 25, steps: 100, epochs: 3, scores: { loss: Infinity }, examplesPerSecond: 1234.4, secondsLeft: Infinity, learningRate: 1, gradientNorm: NaN };
  const epoch = (number: number, loss: number): EpochReport => ({ epoch: number, train: { loss }, validation: { loss }, seconds: 2, learningRate: 1, gradientNorm: 1 });
  const drawn = async (terminal: { readonly live: boolean; readonly color?: boolean; readonly columns?: number }): Promise<string> => {
    let text = "";
    const callback = progress({ ...terminal, out: () => undefined, error: (part) => void (text += part) });
    const state = { epochs: 3, history: [] } as never;
    await callback.start?.(state);
    await callback.step?.(step, state);
    for (const [i, loss] of [1, NaN, 0.5, 0.25].entries()) await callback.epoch?.(epoch(i, loss), state);
    await callback.step?.(step, state);
    await callback.end?.(state);
    return text;
  };

  it("is a line per epoch where lines cannot be rewritten", async () => {
    const text = await drawn({ live: false, color: true });
    expect(text.trimEnd().split("\n")).toHaveLength(4);
    expect(text).not.toMatch(/\x1b|[\u2800-\u28ff]/);
    expect(text).toContain("epoch 2/3  loss NaN   validation loss NaN   2.0 s\n");
  });

  it("draws bar and chart, fits the line, and uses colors only where they are wanted", async () => {
    const text = await drawn({ live: true, columns: 70 });
    expect(text).toMatch(/epoch 2\/3 {2}█████░{15} 25\/100 {2}loss Infinity/);
    expect(text).toMatch(/[\u2801-\u28ff]/);
    expect(text).not.toMatch(/\x1b\[\d+m/);
    for (const line of text.replaceAll(/\x1b\[\d*[A-Z]/g, "").split(/[\n\r]/)) expect(line.length).toBeLessThan(70);
    expect(await drawn({ live: true, columns: 50, color: true })).toContain("\x1b[36m");
  });

  it.each([
    [{}, true, true], [{}, false, false], [{ TERM: "dumb" }, true, false], [{ NO_COLOR: "1" }, true, false], [{ NO_COLOR: "0" }, true, false],
    [{ NO_COLOR: "" }, true, true], [{ FORCE_COLOR: "1" }, false, true], [{ FORCE_COLOR: "0" }, true, false], [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false, true],
  ])("with %j on a terminal %s: colors %s", (environment, isTerminal, color) => {
    expect(wantsColor(environment, isTerminal)).toBe(color);
  });
});
