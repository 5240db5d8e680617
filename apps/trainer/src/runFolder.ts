/**
 * The folder of a run: where everything about it is kept. A new one never overwrites an old one, and `latest` beside
 * them points at the newest. Owns names and files, not what is in them.
 */
import {
  appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { Failure } from "./failure.ts";

/** Paths inside a run folder. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The path of one file or folder of the run. */
  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  has(name: string): boolean {
    return existsSync(this.at(name));
  }

  get checkpoints(): string {
    return this.at("checkpoints");
  }

  get best(): string {
    return this.at("checkpoints", "best.safetensors");
  }

  /** Writes a text file of the run, or a JSON file of a value. A kill at any moment leaves the old file or the new one. */
  write(name: string, content: string | object): void {
    const temporary = this.at(`.${name}.${process.pid}.tmp`);
    const file = openSync(temporary, "w");
    try {
      writeFileSync(file, typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.at(name));
  }

  /** Adds to the log of the run. */
  log(text: string): void {
    appendFileSync(this.at("log.txt"), text);
  }
}

/** Makes the folder of a run and points `<runs>/latest` at it. */
export function createRunFolder(...parameters: Parameters<typeof createFolder>): RunFolder {
  const folder = createFolder(...parameters);
  pointLatest(parameters[0], basename(folder.path));
  return folder;
}

/**
 * Makes `<runs>/<date>-<name>-<n>` with the first n that is free and with files in it. It is there with all of its
 * files or not at all.
 */
export function createFolder(
  runs: string, name: string, now: Date, files: Readonly<Record<string, string | object>>,
): RunFolder {
  mkdirSync(runs, { recursive: true });
  const draft = new RunFolder(join(runs, `.new-${process.pid}`));
  rmSync(draft.path, { recursive: true, force: true });
  mkdirSync(draft.path);
  for (const [file, content] of Object.entries(files)) draft.write(file, content);
  const date = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
  const word = name.replace(/[^\w.-]+/g, "-").replace(/^[-.]+/, "") || "run";
  for (let n = 1; ; n++) {
    const folder = `${date}-${word}-${n}`;
    if (existsSync(join(runs, folder))) continue;
    try {
      // Fails where another process has made the folder at this moment, since it is not empty then.
      renameSync(draft.path, join(runs, folder));
    } catch (error) {
      if (["EEXIST", "ENOTEMPTY", "EPERM"].includes((error as { readonly code?: string }).code ?? "") && existsSync(join(runs, folder))) continue;
      throw error;
    }
    return new RunFolder(join(runs, folder));
  }
}

/** Replaces the link in one step, so that it always points somewhere. */
function pointLatest(runs: string, folder: string): void {
  const temporary = join(runs, `.latest-${process.pid}`);
  rmSync(temporary, { force: true });
  // Windows lets everybody make junctions, which need an absolute target; a relative link survives a move of `runs`.
  if (process.platform === "win32") {
    symlinkSync(resolve(runs, folder), temporary, "junction");
    rmSync(join(runs, "latest"), { force: true, recursive: true });
  } else symlinkSync(folder, temporary);
  renameSync(temporary, join(runs, "latest"));
}

/** The run folder that a person names; refuses a folder that is none. */
export function openRunFolder(path: string): RunFolder {
  const folder = new RunFolder(path);
  if (!existsSync(path)) throw new Failure("usage", `${path}: there is no such run folder`);
  for (const name of ["config.resolved.yaml", "schema.json"]) {
    if (!existsSync(folder.at(name))) throw new Failure("usage", `${path} is not a run folder: it has no ${name}`);
  }
  return folder;
}

/** The same, of a run that has a trained model. */
export function openTrainedFolder(path: string): RunFolder {
  const folder = openRunFolder(path);
  if (!existsSync(folder.best)) throw new Failure("usage", `${path} has no checkpoint yet; go on with: dormouse train --resume ${path}`);
  return folder;
}

/** The command that a run was started with. */
export function commandOf(folder: RunFolder): string {
  const { command } = JSON.parse(readFileSync(folder.at("env.json"), "utf8")) as { readonly command: string };
  return command;
}
