/**
 * A function of another module, run in worker threads: for decoding and other work on single examples that would keep
 * the program from training. Functions cannot be sent to a thread, so a module and the name of its export are.
 */
import { DeviceError, type DormouseError } from "@dormouse/tensor";
import { type HostWorker, processors, startWorker } from "./platform.ts";
import { requireWhole } from "./whole.ts";

/** How many workers `inWorkers` starts. */
export interface WorkersOptions {
  /** Default: one less than there are processors, at least 1 and at most 8. */
  readonly workers?: number;
}

/** A function that runs in workers. Calls begin in the order they are made; results come as they are ready. */
export interface WorkerFunction<I, O> {
  (input: I): Promise<O>;
  /** Calls worth having under way at once: twice the workers, so that none waits for its next input. */
  readonly concurrency: number;
  /** Ends the workers. Calls under way fail, and so do later ones. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Reply {
  readonly id: number;
  readonly output?: unknown;
  readonly failure?: { readonly name: string; readonly message: string; readonly stack?: string };
}

interface Call {
  readonly id: number;
  readonly input: unknown;
  readonly resolve: (output: unknown) => void;
  readonly reject: (failure: Error) => void;
}

interface Member {
  readonly worker: HostWorker;
  call: Call | null;
}

/** Source of a worker: a string survives every bundler and needs no file beside the bundle. */
const source = (module: string, name: string): string => `
const loaded = import(${JSON.stringify(module)}).then((module) => {
  const found = module[${JSON.stringify(name)}];
  if (typeof found !== "function") throw new TypeError("the module exports no function " + ${JSON.stringify(name)});
  return found;
});
loaded.catch(() => {});
port.onmessage = async ({ id, input }) => {
  try {
    port.postMessage({ id, output: await (await loaded)(input) });
  } catch (failure) {
    const { name = "Error", message = String(failure), stack } = failure instanceof Error ? failure : {};
    port.postMessage({ id, failure: { name, message, stack } });
  }
};
`;

/**
 * The function `name` that `module` exports, run in worker threads of Node, Deno, Bun or a page. Inputs and outputs are
 * copied as by `structuredClone`: numbers, text, arrays, typed arrays, plain objects. Workers start with the first call
 * and keep the process alive only while a call is under way.
 *
 * ```ts no-run
 * // decode.js: export async function decode(path) { return { x: …, y: … }; }
 * const decode = inWorkers<string, { x: Uint8Array; y: number }>(new URL("./decode.js", import.meta.url), "decode");
 * const batches = stream(paths).map(decode).batch(32).prefetch(2);
 * ```
 * @throws DeviceError (from a call) where the module cannot be loaded, its function fails, or a worker ends.
 */
export function inWorkers<I, O>(
  module: string | URL,
  name: string,
  options: WorkersOptions = {},
): WorkerFunction<I, O> {
  const { workers = Math.max(1, Math.min(8, processors() - 1)) } = options;
  requireWhole("inWorkers", "workers", workers, 1);
  const members: Member[] = [];
  const waiting: Call[] = [];
  let closed: DormouseError | null = null;
  let calls = 0;

  const start = (): Member => {
    const worker = startWorker("inWorkers", source(String(module), name), `dormouse ${name}`, {
      message: (reply) => finish(member, reply as Reply),
      error: (reason) => lose(member, reason),
    });
    const member: Member = { worker, call: null };
    members.push(member);
    return member;
  };

  const assign = (member: Member): void => {
    const call = waiting.shift();
    member.worker.holdProcess(call !== undefined);
    if (!call) return;
    member.call = call;
    try {
      member.worker.post({ id: call.id, input: call.input });
    } catch (cause) {
      // The input cannot be copied: the worker never heard of the call.
      member.call = null;
      call.reject(failureOf(name, cause));
      assign(member);
    }
  };

  const finish = (member: Member, { id, output, failure }: Reply): void => {
    const { call } = member;
    if (call?.id !== id) return;
    member.call = null;
    if (failure) {
      const cause = Object.assign(new Error(failure.message), { name: failure.name, stack: failure.stack });
      call.reject(failureOf(name, cause));
    } else call.resolve(output);
    assign(member);
  };

  /** A worker that ended takes its call with it; another one takes its place with the next call. */
  const lose = (member: Member, reason: unknown): void => {
    const at = members.indexOf(member);
    if (at < 0) return;
    members.splice(at, 1);
    member.worker.terminate();
    member.call?.reject(failureOf(name, reason));
    if (waiting.length > 0) assign(start());
  };

  const close = (): Promise<void> => {
    closed ??= new DeviceError("inWorkers", `the workers of ${name} were closed`, { hint: "make new ones" });
    for (const { worker, call } of members.splice(0)) {
      worker.terminate();
      call?.reject(closed);
    }
    for (const { reject } of waiting.splice(0)) reject(closed);
    return Promise.resolve();
  };

  const run = (input: I): Promise<O> =>
    new Promise<unknown>((resolve, reject) => {
      if (closed) {
        reject(closed);
        return;
      }
      waiting.push({ id: calls++, input, resolve, reject });
      const free = members.find(({ call }) => call === null) ?? (members.length < workers ? start() : undefined);
      if (free) assign(free);
    }) as Promise<O>;

  return Object.assign(run, { concurrency: 2 * workers, close, [Symbol.asyncDispose]: close });
}

function failureOf(name: string, cause: unknown): DeviceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const failure = new DeviceError("inWorkers", `${name} failed (${reason})`, { hint: "the cause is in `cause`" });
  failure.cause = cause;
  return failure;
}
