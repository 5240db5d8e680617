/** Runs the command line in this process, in a folder of its own, and keeps what it wrote. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "@dormouse/data";
import { gzip, writeIdx } from "@dormouse/formats";
import { main } from "../src/program.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** A temporary folder that is gone when the tests are. */
export class Workplace {
  readonly path = mkdtempSync(join(tmpdir(), "dormouse-trainer-"));

  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.at(name), content);
    return this.at(name);
  }

  /** Runs a command; `--runs` is added to `train`. */
  async run(
    words: readonly string[],
    signal: AbortSignal = new AbortController().signal,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    let [out, error] = ["", ""];
    const terminal = { out: (text: string) => void (out += text), error: (text: string) => void (error += text), live: false };
    const all = words[0] === "train" && !words.includes("--resume") ? [...words, "--runs", this.at("runs")] : words;
    const code = await main(all, { terminal, environment, signal });
    return { code, out, error };
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Flowers of three kinds: two numbers that tell them apart, a color, an id, gaps, and a price that the numbers decide. */
export function flowers(rows = 90): string {
  const random = new Random(11);
  const kinds = ["rose", "tulip", "daisy, wild"];
  const lines = Array.from({ length: rows }, (_, i) => {
    const kind = i % 3;
    const [length, width] = [kind * 3 + random.normal() * 0.4, kind - random.normal() * 0.3];
    const color = random.below(10) === 0 ? "" : ["red", "white"][random.below(2)]!;
    const price = (2 * length - width + 10).toFixed(3);
    return `${i + 1},${length.toFixed(3)},${width.toFixed(3)},${color},"${kinds[kind]!}",${kind === 0 ? "yes" : "no"},${price}`;
  });
  return `id,length,width,color,kind,thorns,price\n${lines.join("\n")}\n`;
}

/** A folder with the four files of the MNIST family: 6 x 5 images of three classes, told apart by a bright row. */
export async function idxFolder(work: Workplace, name: string): Promise<string> {
  mkdirSync(work.at(name));
  const random = new Random(7);
  for (const [prefix, count] of [["train", 120], ["t10k", 31]] as const) {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
    const images = Uint8Array.from({ length: count * 30 }, (_, at) => {
      const bright = Math.floor((at % 30) / 10) === labels[Math.floor(at / 30)];
      return random.below(100) + (bright ? 150 : 0);
    });
    const file = await gzip(writeIdx({ data: images, shape: [count, 6, 5] }));
    work.write(`${name}/${prefix}-images-idx3-ubyte.gz`, file);
    work.write(`${name}/${prefix}-labels-idx1-ubyte`, writeIdx({ data: labels, shape: [count] }));
  }
  return work.at(name);
}
