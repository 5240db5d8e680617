/** Finds a Python that has PyTorch or NumPy, and starts `native/worker.py` in it. Owns nothing of what it computes. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { NativeName } from "./systems/system.ts";

/** From `src` and from `dist` alike. */
const script = fileURLToPath(new URL("../native/worker.py", import.meta.url));

const moduleOf = (system: NativeName): string => (system === "numpy" ? "numpy" : "torch");

const pythons = new Map<string, string | null>();

/** The Python that can import the system's library, or null: $PYTHON, that of the path, that of the distribution. */
export function pythonOf(system: NativeName): string | null {
  const module = moduleOf(system);
  const known = pythons.get(module);
  if (known !== undefined) return known;
  const candidates = [process.env["PYTHON"], "python3", "/usr/bin/python3"].filter((path) => path !== undefined);
  const found = candidates.find((path) => spawnSync(path, ["-c", `import ${module}`]).status === 0) ?? null;
  pythons.set(module, found);
  return found;
}

/** What a person can do about a library that is missing. */
export const adviceFor = (system: NativeName): string =>
  `no python3 here has ${moduleOf(system)}; install it (Debian: python3-${moduleOf(system)}) or name a Python in $PYTHON`;

/** A process that speaks lines of JSON; its messages come as they do from a forked one. Throws where there is no Python. */
export function startNative(system: NativeName, parameters: readonly string[]): ChildProcess {
  const python = pythonOf(system);
  if (python === null) throw new Error(`${system}: ${adviceFor(system)}`);
  // Threads that wait by spinning would take the processor from the system that is measured next.
  const env = { OMP_WAIT_POLICY: "PASSIVE", ...process.env };
  const child = spawn(python, [script, system, ...parameters], { stdio: ["pipe", "pipe", "inherit"], env });
  createInterface({ input: child.stdout }).on("line", (line) => child.emit("message", JSON.parse(line)));
  return child;
}
