/** The parent's side of a worker: starts the process, one question at a time, and says how it died. */
import { type ChildProcess, fork } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { startNative } from "./native.ts";
import { type SystemName, isNative } from "./systems/system.ts";
import type { Answers, ColdReport, Command, Greeting, Reply } from "./worker.ts";
import type { Task } from "./works/work.ts";

export interface ChildOptions {
  readonly system: SystemName;
  readonly threads: number;
  /** The Node binary. */
  readonly execPath: string;
}

/** The built worker lies beside this file's bundle. */
const workerPath = fileURLToPath(new URL("./worker.js", import.meta.url));
/** A process that takes longer is ended. The longest are 300 steps of an eager library on a busy machine. */
const patienceMilliseconds = 600_000;

/** Without a work the process waits for commands. */
function start({ system, threads, execPath }: ChildOptions, cold: ColdWork | null): ChildProcess {
  const parameters = [String(threads), ...(cold ? ["cold", JSON.stringify(cold.task), String(cold.steps)] : [])];
  if (isNative(system)) return startNative(system, parameters);
  return fork(workerPath, [system, ...parameters], {
    execPath,
    execArgv: [],
    // Stdout belongs to the table; what libraries print goes beside it.
    stdio: ["ignore", 2, 2, "ipc"],
  });
}

function reply<T>(process: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      process.kill();
      settle(() => reject(new Error(`no answer within ${patienceMilliseconds / 1000} s`)));
    }, patienceMilliseconds);
    const onMessage = (message: unknown): void => {
      const answer = message as Reply<T>;
      settle(() => ("error" in answer ? reject(new Error(answer.error)) : resolve(answer.value)));
    };
    const onExit = (code: number | null, signal: string | null): void =>
      settle(() => reject(new Error(`the process ended with ${signal ?? `status ${code}`}`)));
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      process.off("message", onMessage).off("exit", onExit);
      done();
    };
    process.on("message", onMessage).on("exit", onExit);
  });
}

/** A worker that waits for commands. */
export class Child {
  readonly system: SystemName;
  readonly greeting: Greeting;
  readonly #process: ChildProcess;

  private constructor(system: SystemName, greeting: Greeting, process: ChildProcess) {
    this.system = system;
    this.greeting = greeting;
    this.#process = process;
  }

  static async start(options: ChildOptions): Promise<Child> {
    const process = start(options, null);
    return new Child(options.system, await reply<Greeting>(process), process);
  }

  ask<C extends Command>(command: C): Promise<Answers[C["name"]]> {
    if (!this.isAlive) return Promise.reject(new Error("the process has ended"));
    const answer = reply<Answers[C["name"]]>(this.#process);
    if (this.#process.stdin) this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    else this.#process.send(command);
    return answer;
  }

  get isAlive(): boolean {
    const { exitCode, signalCode, killed } = this.#process;
    return exitCode === null && signalCode === null && !killed;
  }

  /** A process whose commands end, ends. */
  stop(): void {
    if (!this.isAlive) return;
    if (this.#process.stdin) this.#process.stdin.end();
    else this.#process.disconnect();
  }
}

/** What a cold process does: the first step is timed, and memory is read after the last. */
export interface ColdWork {
  readonly task: Task;
  readonly steps: number;
}

/** One cold start: milliseconds to the first step, peak memory of all steps. */
export async function coldStart(
  options: ChildOptions,
  work: ColdWork,
): Promise<{ milliseconds: number; mebibytes: number }> {
  const startedAt = performance.timeOrigin + performance.now();
  const { firstStepAt, peakMebibytes } = await reply<ColdReport>(start(options, work));
  return { milliseconds: firstStepAt - startedAt, mebibytes: peakMebibytes };
}
