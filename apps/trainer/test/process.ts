/** The command as a process of its own, bundled from source once per file of tests: for signals, kills and streams. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
  /** Milliseconds that the process took. */
  readonly took: number;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Waits until stderr shows something. */
  seen(pattern: RegExp): Promise<void>;
}

/** The bundled command. */
export class Dormouse {
  readonly folder = mkdtempSync(join(tmpdir(), "dormouse-process-"));
  readonly script = join(this.folder, "cli.mjs");

  async build(): Promise<this> {
    await build({
      entryPoints: [fileURLToPath(new URL("../src/cli.ts", import.meta.url))],
      bundle: true, platform: "node", format: "esm", conditions: ["@dormouse/source"], outfile: this.script, logLevel: "silent",
      // Packages of CommonJS ask for built-in modules by `require`.
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      external: ["webgpu", "bun-webgpu"],
    });
    return this;
  }

  start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Started {
    const began = performance.now();
    const child = spawn(process.execPath, [this.script, ...words], { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
    let [out, error] = ["", ""];
    child.stdout.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr.on("data", (part: Buffer) => (error += part.toString()));
    const ended = new Promise<Ended>((resolve) => {
      child.on("close", (code, signal) => resolve({ code, signal, out, error, took: performance.now() - began }));
    });
    const seen = (pattern: RegExp): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(error)) resolve();
        };
        child.stderr.on("data", look);
        child.on("close", () => (pattern.test(error) ? resolve() : reject(new Error(`ended before ${String(pattern)}: ${error}`))));
        look();
      });
    return { child, ended, seen };
  }

  run(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(words, environment).ended;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
