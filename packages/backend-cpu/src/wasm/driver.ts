/**
 * The code that runs a whole program in one call, on every thread. A program is data in the memory (see `recordWords`),
 * so a new program compiles nothing but the kernels it is the first to use: the driver walks its steps and calls
 * each kernel through a table of functions, with a barrier where a step needs what another thread made. Owns the layout
 * of the control block and of program records; knows nothing about what kernels compute.
 *
 * Threads meet in three places. `run` announces a program (thread 0); `serve` is where the other threads wait for one;
 * `barrier` makes all wait for all. Waiting spins first, because a sleeping thread takes tens of microseconds to wake,
 * and then sleeps in the engine until notified. A waiting thread looks once a second whether another one failed.
 */
import type { Expression } from "./encoder.ts";
import { atomic, i32, i64 } from "./encoder.ts";
import { type FunctionReference, type MemoryLimits, ModuleBuilder, call } from "./module.ts";

/**
 * Addresses of the words that threads share. Each word that is waited on has a cache line of its own, so that spinning
 * on one does not slow writing another.
 */
export const control = {
  /** Changes whenever a sleeping thread has to look around. */
  wake: 64,
  /** Threads asleep on `wake`. */
  sleepers: 128,
  /** Threads that have arrived at the barrier. */
  arrived: 192,
  /** Barriers passed so far. */
  barriers: 256,
  /** Threads asleep on `barriers`. */
  barrierSleepers: 320,
  /** Programs announced so far. */
  runs: 384,
  /** Record of the announced program, and the number of threads that run it. */
  program: 388,
  threadCount: 392,
  /** Messages posted to every worker so far. */
  posted: 448,
  /** Not zero: workers end. */
  stop: 452,
  /** Not zero: a thread failed, and no other may wait for it. */
  failed: 456,
  /** Turns of a spinning loop before a thread goes to sleep. */
  spin: 460,
  /** Not zero where thread 0 must not sleep (the main thread of a page). */
  neverSleep: 464,
  /** One word per thread: messages handled so far. */
  handled: 512,
  /** One word per thread: runs taken part in so far. */
  served: 768,
  /** End of the control block. */
  end: 1024,
} as const;

/** Threads that the control block has room for. */
export const maximumThreads = (control.served - control.handled) / 4;

/** Words of the header of a program record. */
export const recordWords = {
  stepCount: 0,
  /** Address of the steps. */
  steps: 1,
  bindingCount: 2,
  /** Address of pairs (index of a base, byte offset), one per argument of a step. */
  bindings: 3,
  /** Address of what `run` makes of them: one address per argument of a step. */
  resolved: 4,
  /** Address of the bases: the addresses of inputs, outputs and temporaries of this run. */
  bases: 5,
  /** Address of the scratch memory of this run. */
  scratch: 6,
  length: 7,
} as const;

/** Words of one step. */
export const stepWords = {
  /** Where the kernel is in the table. */
  kernel: 0,
  /** Address of its arguments among the resolved ones. */
  arguments: 1,
  flags: 2,
  length: 3,
} as const;

/** Flags of a step. */
export const stepFlags = {
  /** All threads wait for each other before it. */
  barrier: 1,
  /** All threads run it; otherwise thread 0 alone. */
  parallel: 2,
} as const;

/** Names under which modules find what they import. */
export const environmentImport = "env";

/** What an instance of the driver exports. */
export interface DriverExports {
  /** Runs the program at `record` with the help of `threadCount - 1` serving threads. */
  readonly run: (record: number, threadCount: number) => void;
  /** Takes part in runs until a message beyond the `handled` first ones is posted, or until told to stop. */
  readonly serve: (threadIndex: number, handled: number) => void;
  readonly barrier: (threadCount: number) => void;
}

const second = 1_000_000_000n;
const everyone = -1;

const word = (base: Expression<"i32">, index: number): Expression<"i32"> => i32.load(base, 4 * index);
/** A word of the control block. The address is the immediate, so that nothing is added at run time. */
const shared = (address: number): Expression<"i32"> => atomic.load(i32.const(0), address);
const addShared = (address: number, amount: number): Expression<"i32"> =>
  atomic.add(i32.const(0), i32.const(amount), address);

/** The driver as the bytes of a module. Without `memory.shared` it runs programs on one thread only. */
export function driverModule(memory: MemoryLimits): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory(environmentImport, "memory", memory);
  module.importTable(environmentImport, "kernels", 0);
  const barrier = memory.shared ? defineBarrier(module) : defineNoBarrier(module);
  const execute = defineExecute(module, barrier);
  defineRun(module, execute, barrier, memory.shared);
  if (memory.shared) defineServe(module, execute, barrier);
  return module.bytes();
}

/** One thread never waits. Exists so that kernels can be generated alike. */
const defineNoBarrier = (module: ModuleBuilder): FunctionReference<"void"> =>
  module.function({ name: "barrier", parameters: { threadCount: "i32" }, export: true }, () => {});

function defineBarrier(module: ModuleBuilder): FunctionReference<"void"> {
  const signature = { name: "barrier", parameters: { threadCount: "i32" }, export: true } as const;
  return module.function(signature, (f, { threadCount }) => {
    f.if(i32.le_s(threadCount, i32.const(1)), () => f.return());
    const generation = f.let(shared(control.barriers));
    const last = i32.sub(threadCount, i32.const(1));
    f.if(i32.eq(addShared(control.arrived, 1), last), () => {
      f.do(atomic.store(i32.const(0), i32.const(0), control.arrived));
      f.drop(addShared(control.barriers, 1));
      f.if(shared(control.barrierSleepers), () => {
        f.drop(atomic.notify(i32.const(0), i32.const(everyone), control.barriers));
      });
      f.return();
    });
    const spin = f.let(shared(control.spin));
    f.block((passed) => {
      f.loop((again) => {
        f.branchIf(passed, i32.ne(shared(control.barriers), generation));
        f.increase(spin, -1);
        f.branchIf(again, i32.gt_s(spin, i32.const(0)));
        f.if(i32.eqz(shared(control.neverSleep)), () => {
          f.drop(addShared(control.barrierSleepers, 1));
          f.drop(atomic.wait32(i32.const(0), generation, i64.const(second), control.barriers));
          f.drop(addShared(control.barrierSleepers, -1));
        });
        f.branchIf(again, i32.eqz(shared(control.failed)));
        f.unreachable();
      });
    });
  });
}

/** Runs every step; called by each thread. */
function defineExecute(module: ModuleBuilder, barrier: FunctionReference): FunctionReference<"void"> {
  const parameters = { record: "i32", threadIndex: "i32", threadCount: "i32" } as const;
  return module.function({ name: "execute", parameters }, (f, { record, threadIndex, threadCount }) => {
    const step = f.let(word(record, recordWords.steps));
    const scratch = f.let(word(record, recordWords.scratch));
    const stepBytes = 4 * stepWords.length;
    const end = f.let(i32.add(step, i32.mul(word(record, recordWords.stepCount), i32.const(stepBytes))));
    const flags = f.local("i32");
    const callKernel = (index: Expression<"i32">, count: Expression<"i32">): void => {
      const operands = [word(step, stepWords.arguments), scratch, index, count];
      f.do(module.callIndirect(word(step, stepWords.kernel), operands));
    };
    const alone = (): void => callKernel(i32.const(0), i32.const(1));
    f.if(
      i32.eq(threadCount, i32.const(1)),
      () => f.count(step, end, stepBytes, alone),
      () => {
        f.count(step, end, stepBytes, () => {
          f.set(flags, word(step, stepWords.flags));
          f.if(i32.and(flags, i32.const(stepFlags.barrier)), () => f.do(call(barrier, threadCount) as Expression<"void">));
          f.if(
            i32.and(flags, i32.const(stepFlags.parallel)),
            () => callKernel(threadIndex, threadCount),
            () => f.if(i32.eqz(threadIndex), alone),
          );
        });
      },
    );
  });
}

function defineRun(
  module: ModuleBuilder,
  execute: FunctionReference<"void">,
  barrier: FunctionReference<"void">,
  threads: boolean,
): void {
  const parameters = { record: "i32", threadCount: "i32" } as const;
  module.function({ name: "run", parameters, export: true }, (f, { record, threadCount }) => {
    const binding = f.let(word(record, recordWords.bindings));
    const end = f.let(i32.add(binding, i32.mul(word(record, recordWords.bindingCount), i32.const(8))));
    const bases = f.let(word(record, recordWords.bases));
    const resolved = f.let(word(record, recordWords.resolved));
    f.count(binding, end, 8, () => {
      const base = i32.load(i32.add(bases, i32.mul(word(binding, 0), i32.const(4))));
      f.do(i32.store(resolved, i32.add(base, word(binding, 1))));
      f.increase(resolved, 4);
    });
    if (threads) {
      f.if(i32.gt_s(threadCount, i32.const(1)), () => {
        f.do(i32.store(i32.const(0), record, control.program));
        f.do(i32.store(i32.const(0), threadCount, control.threadCount));
        f.drop(addShared(control.runs, 1));
        f.drop(addShared(control.wake, 1));
        f.if(shared(control.sleepers), () => {
          f.drop(atomic.notify(i32.const(0), i32.const(everyone), control.wake));
        });
      });
    }
    f.do(call(execute, record, i32.const(0), threadCount));
    f.do(call(barrier, threadCount));
  });
}

function defineServe(
  module: ModuleBuilder,
  execute: FunctionReference<"void">,
  barrier: FunctionReference<"void">,
): void {
  const parameters = { threadIndex: "i32", handled: "i32" } as const;
  module.function({ name: "serve", parameters, export: true }, (f, { threadIndex, handled }) => {
    const served = f.let(i32.mul(threadIndex, i32.const(4)));
    const wake = f.local("i32");
    const spin = f.local("i32");
    const threadCount = f.local("i32");
    f.loop((again) => {
      // Read before anything else is looked at: whatever happens later changes it, and the wait below sees that.
      f.set(wake, shared(control.wake));
      f.if(i32.or(shared(control.stop), i32.ne(shared(control.posted), handled)), () => f.return());
      f.if(i32.ne(shared(control.runs), i32.load(served, control.served)), () => {
        f.do(i32.store(served, i32.add(i32.load(served, control.served), i32.const(1)), control.served));
        f.set(threadCount, i32.load(i32.const(0), control.threadCount));
        f.do(call(execute, i32.load(i32.const(0), control.program), threadIndex, threadCount));
        f.do(call(barrier, threadCount));
        f.branch(again);
      });
      f.set(spin, shared(control.spin));
      f.loop((spinning) => {
        f.branchIf(again, i32.ne(shared(control.wake), wake));
        f.increase(spin, -1);
        f.branchIf(spinning, i32.gt_s(spin, i32.const(0)));
      });
      f.drop(addShared(control.sleepers, 1));
      f.drop(atomic.wait32(i32.const(0), wake, i64.const(-1n), control.wake));
      f.drop(addShared(control.sleepers, -1));
      f.branch(again);
    });
  });
}
