/**
 * A call of a compiled function whose trace is known: arguments are matched, buffers bound, the program run, its results
 * wrapped and donated arguments spent. Owns that order and what happens when something throws in between; builds no
 * graph. A step of a small model takes 10 µs in all, so a call makes nothing but what it gives out: its lists are used
 * again, and loops stand where closures would.
 */
import { type DType, bytesOf } from "../core/dtype.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, sameShape } from "../core/shape.ts";
import { type Spent, type Tensor, captureOrigin, spendFor, spentError } from "../core/tensor.ts";
import type { Fail } from "../lower/ir.ts";
import type { Lowered } from "../lower/lower.ts";
import type { Program } from "../lower/program.ts";
import { type TreeStructure, matchesAt, unflattenTree } from "../tree/structure.ts";
import type { BackendBuffer } from "./backend.ts";
import type { StandingChecks } from "./checks.ts";
import type { Device } from "./device.ts";
import { bufferOf, differentDevices, evaluateOn, runChecks } from "./evaluate.ts";
import { DeviceStorage, HostStorage } from "./storage.ts";

/** One leaf of the arguments, as traced. */
export interface Leaf {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly donated: boolean;
}

/** A function, traced for arguments of one structure. */
export interface Trace {
  readonly device: Device;
  readonly args: readonly TreeStructure[];
  readonly leaves: readonly Leaf[];
  /** Whether any of them is donated. */
  readonly donates: boolean;
  /** Tensors the function reads without being given them. */
  readonly captured: readonly Tensor[];
  readonly result: TreeStructure;
  readonly outputs: readonly { readonly shape: Shape; readonly dtype: DType }[];
  /** The program that lets results take over donated memory, and one that does not. */
  readonly usual: Lowered;
  readonly safe: () => Lowered;
  /** Every program made so far. */
  readonly programs: () => Program[];
  /** Whether the usual program lets a result take over memory at all. */
  readonly takesOver: boolean;
  /** What checks of the data throw. */
  readonly failures: readonly Fail[];
  /** The checks alone, run before the usual program overwrites what it was given. */
  readonly guard: Lowered | null;
  /** What the checks found so far, on a device that cannot be read at once. */
  readonly standing: StandingChecks | null;
  /** Why arguments of the latest calls are spent. */
  readonly donation: Donation;
}

/** Why donated tensors are spent, and since when that has been the answer. */
export interface Donation {
  reason: Spent | null;
  time: number;
}

/** The lists of a call. Between calls they hold nothing, but keep their room. */
export class CallLists {
  readonly leaves: (Tensor | null)[] = [];
  /** Inputs of the program, then its outputs. */
  readonly buffers: BackendBuffer[] = [];
  /** Inputs that go when the call ends. */
  readonly transient: BackendBuffer[] = [];
  readonly storages: (DeviceStorage | HostStorage | null)[] = [];
  readonly results: (Tensor | null)[] = [];

  /** Lets go of tensors: a list must not keep a batch alive until the next call. */
  clear(): void {
    clear(this.leaves);
    clear(this.storages);
    clear(this.results);
  }
}

function clear(list: unknown[]): void {
  for (let i = 0; i < list.length; i++) list[i] = null;
}

/**
 * Results up to this size leave a device that can be read at once: a loss per step that nobody disposes of then costs
 * the garbage collector a few bytes, and the device nothing.
 */
const SMALL_RESULT_BYTES = 16;

/** The trace that fits the arguments; their leaves are put into `leaves`. The latest trace is tried first. */
export function findTrace(
  traces: readonly Trace[],
  args: readonly unknown[],
  leaves: (Tensor | null)[],
): Trace | undefined {
  for (let i = traces.length - 1; i >= 0; i--) {
    const trace = traces[i]!;
    if (trace.args.length === args.length && fitsTrace(trace, args, leaves)) return trace;
  }
  return undefined;
}

function fitsTrace(trace: Trace, args: readonly unknown[], leaves: (Tensor | null)[]): boolean {
  let from = 0;
  for (let n = 0; n < args.length; n++) {
    const structure = trace.args[n]!;
    if (!matchesAt(structure, args[n], leaves, from)) return false;
    from += structure.count;
  }
  for (let n = 0; n < from; n++) {
    const leaf = trace.leaves[n]!;
    const { dtype, shape } = leaves[n]!;
    // What a step returned has the very shape of the trace.
    if (dtype !== leaf.dtype || (shape !== leaf.shape && !sameShape(shape, leaf.shape))) return false;
  }
  return true;
}

/** Binds buffers, runs, and wraps the results. `lists.leaves` are those of `findTrace`. */
export function run(trace: Trace, lists: CallLists, name: string): unknown {
  const { device } = trace;
  const { leaves, buffers } = lists;
  makeReady(trace, leaves, name);
  let lowered = trace.usual;
  let inputs = 0;
  /** Outputs that nobody but this call knows of. */
  let unclaimed = 0;
  try {
    const isFree = bindInputs(trace, lists);
    if (!isFree) lowered = trace.safe();
    const { program } = lowered;
    inputs = program.inputs.length;
    const length = inputs + program.outputs.length;
    if (buffers.length !== length) buffers.length = length;
    if (trace.guard && isFree) runGuard(trace, trace.guard, buffers.slice(0, inputs));
    for (; unclaimed < program.outputs.length; unclaimed++) {
      const { alias, dtype, length } = program.outputs[unclaimed]!;
      buffers[inputs + unclaimed] = alias === undefined ? device.allocate(dtype, length) : buffers[alias]!;
    }
    device.run(program, buffers);
    settleChecks(trace, lowered, buffers, inputs);
    unclaimed = 0;
    wrap(trace, lowered, lists, inputs);
    if (trace.donates) {
      const reason = recentReason(trace.donation);
      for (let i = 0; i < trace.leaves.length; i++) if (trace.leaves[i]!.donated) spendFor(leaves[i]!, reason);
    }
    return unflattenTree(trace.result, lists.results);
  } finally {
    const { outputs } = lowered.program;
    for (let i = 0; i < unclaimed; i++) if (outputs[i]!.alias === undefined) device.release(buffers[inputs + i]!);
    for (let buffer = lists.transient.pop(); buffer; buffer = lists.transient.pop()) device.release(buffer);
  }
}

/** Computes arguments that are still pending; refuses spent and foreign ones. */
function makeReady(trace: Trace, leaves: readonly (Tensor | null)[], name: string): void {
  let pending: Tensor[] | null = null;
  for (let i = 0; i < trace.leaves.length; i++) {
    if (!isReady(leaves[i]!, trace, name)) (pending ??= []).push(leaves[i]!);
  }
  for (let i = 0; i < trace.captured.length; i++) {
    if (!isReady(trace.captured[i]!, trace, name)) (pending ??= []).push(trace.captured[i]!);
  }
  if (pending) evaluateOn(trace.device, pending);
}

function isReady(tensor: Tensor, { device }: Trace, name: string): boolean {
  const { spent, storage } = tensor;
  if (spent) throw spentError(name, tensor);
  if (!storage) return false;
  const home = storage.device;
  if (home && home !== device) throw differentDevices(name, home, device);
  return true;
}

let runs = 0;

/**
 * Puts the buffers of all inputs into the list. True where the memory of every donated argument is nobody else's: no
 * other tensor, no pending work, no second place.
 */
function bindInputs(trace: Trace, { leaves, buffers, transient }: CallLists): boolean {
  const { device, captured, takesOver, standing } = trace;
  const count = trace.leaves.length;
  runs++;
  let isFree = true;
  for (let i = 0; i < count; i++) {
    const tensor = leaves[i]!;
    const { donated } = trace.leaves[i]!;
    const host = tensor.storage;
    if (host instanceof HostStorage && !donated && host.uses++ === 0) {
      // A batch is read once: its device copy need not outlive the call.
      transient.push((buffers[i] = device.upload(tensor.dtype, host.data)));
    } else {
      buffers[i] = bufferOf(device, tensor);
      if (takesOver && !isOwn(tensor, donated)) isFree = false;
    }
  }
  for (let i = 0; i < captured.length; i++) {
    buffers[count + i] = bufferOf(device, captured[i]!);
    if (takesOver && !isOwn(captured[i]!, false)) isFree = false;
  }
  if (standing) {
    const given = standing.given();
    for (let i = 0; i < given.length; i++) buffers[count + captured.length + i] = given[i]!;
  }
  return isFree;
}

/** False where the memory is that of an argument before, or donated and somebody else's too. */
function isOwn(tensor: Tensor, donated: boolean): boolean {
  const storage = tensor.storage as DeviceStorage;
  const isOwn = storage.lastRun !== runs && (!donated || (storage.exclusive && tensor.consumers === 0));
  storage.lastRun = runs;
  return isOwn;
}

/** Runs checks that have a program of their own. */
function runGuard({ device, failures }: Trace, guard: Lowered, inputs: readonly BackendBuffer[]): void {
  const outputs = guard.program.outputs.map((spec) => device.allocate(spec.dtype, spec.length));
  try {
    device.run(guard.program, [...inputs, ...outputs]);
    runChecks(device, guard, failures, inputs, outputs);
  } finally {
    for (const buffer of outputs) device.release(buffer);
  }
}

/** Looks at what the checks within a program found, and gives back what only they read. */
function settleChecks(trace: Trace, lowered: Lowered, buffers: readonly BackendBuffer[], inputs: number): void {
  const { device, standing, failures } = trace;
  if (standing) {
    standing.take(buffers.slice(inputs + lowered.given));
    return;
  }
  if (lowered.checks.length > 0) {
    runChecks(device, lowered, failures, buffers.slice(0, inputs), buffers.slice(inputs));
  }
  for (let i = inputs + lowered.given; i < buffers.length; i++) device.release(buffers[i]!);
}

/** Makes the tensors of the results, in `lists.results`. */
function wrap(trace: Trace, lowered: Lowered, { leaves, buffers, storages, results }: CallLists, inputs: number): void {
  const { device, captured, outputs } = trace;
  for (let i = 0; i < lowered.given; i++) {
    storages[i] = storageOf(device, lowered.program.outputs[i]!, buffers[inputs + i]!, leaves);
  }
  for (let i = 0; i < outputs.length; i++) {
    const { shape, dtype } = outputs[i]!;
    const { space, index } = lowered.results[i]!;
    const tensor = primitive.buffer(shape, dtype);
    if (space === "output") storages[index]!.attach(tensor);
    else attachInput(device, index < trace.leaves.length ? leaves[index]! : captured[index - trace.leaves.length]!, tensor);
    results[i] = tensor;
  }
  if (results.length !== outputs.length) results.length = outputs.length;
}

/** Where a result of the program is kept. */
function storageOf(
  device: Device,
  spec: Program["outputs"][number],
  buffer: BackendBuffer,
  leaves: readonly (Tensor | null)[],
): DeviceStorage | HostStorage {
  if (spec.alias !== undefined) return leaves[spec.alias]!.storage as DeviceStorage;
  const small = spec.length * bytesOf(spec.dtype) <= SMALL_RESULT_BYTES ? device.takeOut(spec, buffer) : null;
  return small ? new HostStorage(small) : new DeviceStorage(device, buffer);
}

/** A result that is an argument or a captured tensor shares its elements. */
function attachInput(device: Device, source: Tensor, tensor: Tensor): void {
  if (source.storage instanceof HostStorage) tensor.storage = new HostStorage(source.storage.data);
  else {
    bufferOf(device, source);
    (source.storage as DeviceStorage).attach(tensor);
  }
}

/** Milliseconds for which the place of a call stands for the calls after it. */
const ORIGIN_LIFETIME = 10;

/**
 * Why the arguments of this call are spent, with its place for the error of whoever uses one of them. Capturing a stack
 * takes about 10 µs, as long as a whole step of a small model, so a loop that is faster than `ORIGIN_LIFETIME` does it
 * only now and then.
 */
function recentReason(donation: Donation): Spent {
  const now = performance.now();
  if (donation.reason && now - donation.time < ORIGIN_LIFETIME) return donation.reason;
  donation.time = now;
  return (donation.reason = { why: "was donated to an earlier call", origin: captureOrigin() });
}
