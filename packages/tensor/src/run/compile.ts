/**
 * Compiled functions: a function over trees of tensors is called once with placeholders, its graph becomes a program,
 * and later calls only check shapes, bind buffers and run. Owns tracing, the match of a call to a trace, and donation.
 */
import { type DType, bytesOf } from "../core/dtype.ts";
import { TransformError, ValueError } from "../core/errors.ts";
import { primitive, topologicalOrder } from "../core/primitives.ts";
import { type Shape, sameShape } from "../core/shape.ts";
import {
  type Tensor,
  captureOrigin,
  deviceOf,
  forgetSources,
  isTracing,
  nextTensorId,
  spend,
  spentError,
  traced,
  tracker,
} from "../core/tensor.ts";
import { type Fail, type Region, failuresOf } from "../lower/ir.ts";
import type { Lowered } from "../lower/lower.ts";
import type { Program } from "../lower/program.ts";
import { type TreeStructure, flattenTree, matchesStructure, unflattenTree } from "../tree/index.ts";
import type { BackendBuffer } from "./backend.ts";
import { StandingChecks } from "./checks.ts";
import type { Device } from "./device.ts";
import { bufferOf, differentDevices, evaluateOn, prepareFor, runChecks } from "./evaluate.ts";
import { DeviceStorage, HostStorage } from "./storage.ts";

export interface CompileOptions {
  /** Positions of arguments whose memory the results may take over; the tensors passed there are spent afterwards. */
  readonly donate?: readonly number[];
  /** Shown in errors; the function's own name if it has one. */
  readonly name?: string;
}

/** A compiled function. Same results as the function it was made of. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): R;
  /** How many times the function has been traced: once for every new structure, shape or dtype of the arguments. */
  readonly traces: number;
}

/**
 * Results up to this size leave a device that can be read at once: a loss per step that nobody disposes of then costs
 * the garbage collector a few bytes, and the device nothing.
 */
const SMALL_RESULT_BYTES = 16;

/** One leaf of the arguments, as traced. */
interface Leaf {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly donated: boolean;
}

/** A function, traced for arguments of one structure. */
interface Trace {
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
}

/**
 * Compiles a function of tensors (or trees of them): its graph is built on the first call and kept. Values that are
 * not tensors are part of the structure: another number means another trace. Inside `grad`, `vmap` or another
 * compiled function it is called as it is.
 *
 * @example
 * const step = compile((w: Tensor, x: Tensor) => sub(w, mul(x, 0.1)), { donate: [0] });
 * w = step(w, x);
 */
export function compile<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  const name = options.name ?? (f.name || "compiled function");
  const donate = new Set(options.donate);
  const traces: Trace[] = [];
  const call = (...args: A): R => {
    if (isTracing()) return f(...args);
    const leaves: Tensor[] = [];
    let trace = findTrace(traces, args, leaves);
    if (!trace) {
      trace = makeTrace(f, args, donate, name);
      traces.push(trace);
      leaves.length = 0;
      for (const [i, arg] of args.entries()) matchesStructure(trace.args[i]!, arg, leaves);
    }
    return run(trace, leaves, name) as R;
  };
  abandoned.register(call, traces);
  return Object.defineProperty(call, "traces", { get: () => traces.length }) as Compiled<A, R>;
}

/** The code of a compiled function goes when the function does. */
const abandoned = new FinalizationRegistry<readonly Trace[]>((traces) => {
  for (const { device, programs, standing } of traces) {
    for (const program of programs()) device.forget(program);
    standing?.dispose();
  }
});

/** The trace that fits the arguments; their leaves are appended to `leaves`. The latest trace is tried first. */
function findTrace(traces: readonly Trace[], args: readonly unknown[], leaves: Tensor[]): Trace | undefined {
  for (let i = traces.length - 1; i >= 0; i--) {
    const trace = traces[i]!;
    leaves.length = 0;
    if (trace.args.length !== args.length) continue;
    if (fitsTrace(trace, args, leaves)) return trace;
  }
  return undefined;
}

// Loops here and in `run`: a small model's step takes 10 µs, and every closure or copy of a list 50 ns.
function fitsTrace(trace: Trace, args: readonly unknown[], leaves: Tensor[]): boolean {
  for (let n = 0; n < args.length; n++) if (!matchesStructure(trace.args[n]!, args[n], leaves)) return false;
  for (let n = 0; n < leaves.length; n++) {
    const [leaf, tensor] = [trace.leaves[n]!, leaves[n]!];
    if (tensor.dtype !== leaf.dtype || !sameShape(tensor.shape, leaf.shape)) return false;
  }
  return true;
}

function makeTrace(
  f: (...args: never) => unknown,
  args: readonly unknown[],
  donate: ReadonlySet<number>,
  name: string,
): Trace {
  for (const position of donate) {
    if (position in args) continue;
    throw new ValueError(name, `donate names argument ${position} and the call has ${args.length}`, {
      expected: [0, args.length - 1],
      received: position,
      hint: "count arguments from 0",
    });
  }
  const flat = args.map((arg) => flattenTree(arg));
  const tensors = flat.flatMap(({ leaves }) => leaves);
  for (const tensor of tensors) if (tensor.spent) throw spentError(name, tensor);
  const made: Tensor[] = [];
  const firstId = nextTensorId();
  const before = tracker.onCreate;
  tracker.onCreate = (tensor) => void made.push(tensor);
  try {
    const holes = tensors.map((tensor) => primitive.placeholder(tensor.shape, tensor.dtype));
    let next = 0;
    const traceArgs = flat.map(({ structure, leaves }) =>
      unflattenTree(structure, holes.slice(next, (next += leaves.length))),
    );
    const result = flattenTree(traced(() => f(...(traceArgs as never))));
    if (result.structure.root.kind === "static" && result.structure.root.value instanceof Promise) {
      // What it awaits will fail too; this error says more.
      result.structure.root.value.catch(() => undefined);
      throw new TransformError(name, "a compiled function cannot be asynchronous", {
        hint: "await values outside of the compiled function",
      });
    }
    for (const tensor of result.leaves) if (tensor.spent) throw spentError(name, tensor);
    return finishTrace(flat, tensors, holes, result, donate, firstId, name);
  } finally {
    tracker.onCreate = before;
    // The graph has done its work: nothing of it may hold on to captured tensors, or be used outside.
    for (const tensor of made) {
      if (tensor.storage) continue;
      forgetSources(tensor);
      if (!tensor.spent) spend(tensor, `was made while ${name} was being traced`, null);
    }
  }
}

type Flat = ReturnType<typeof flattenTree>;

function finishTrace(
  flat: readonly Flat[],
  tensors: readonly Tensor[],
  holes: readonly Tensor[],
  result: Flat,
  donate: ReadonlySet<number>,
  firstId: number,
  name: string,
): Trace {
  const order = topologicalOrder(result.leaves, (node) => node.id < firstId || node.storage !== null);
  const captured = order.filter((node) => !holes.includes(node) && (node.id < firstId || node.storage !== null));
  const strange = order.find((node) => node.op === "placeholder" && !holes.includes(node));
  if (strange) {
    throw new TransformError(name, `the result depends on an argument of another traced function`, {
      received: strange.shape,
      hint: "pass the tensor as an argument",
    });
  }
  const home = [...tensors, ...captured].find((tensor) => tensor.storage?.device);
  const device = (home ? home.storage!.device : deviceOf(result.leaves[0] ?? tensors[0]!, name)) as Device;
  const pending = captured.filter((tensor) => !tensor.storage);
  if (pending.length > 0) evaluateOn(device, pending);

  const inputs = [...holes, ...captured];
  const region = { inputs, outputs: result.leaves };
  const donated = flat.flatMap(({ leaves }, arg) => leaves.map(() => donate.has(arg)));
  const given = new Set(donated.flatMap((yes, i) => (yes ? [i] : [])));
  const programs = planPrograms(device, region, given, `${name}#${firstId}`);
  const failures = failuresOf(order);
  const isStanding = stands(device) && programs.usual.checks.length > 0;
  return {
    device,
    args: flat.map(({ structure }) => structure),
    leaves: tensors.map(({ shape, dtype }, i) => ({ shape, dtype, donated: donated[i]! })),
    donates: donated.includes(true),
    captured,
    result: result.structure,
    outputs: result.leaves.map(({ shape, dtype }) => ({ shape, dtype })),
    failures,
    ...programs,
    standing: isStanding ? new StandingChecks(device, programs.usual, failures) : null,
  };
}

/** Whether failures are known only with the next read: nothing is won then by checks that go first. */
const stands = (device: Device): boolean => !device.backend.readSync;

/**
 * The programs of a region. Where nothing is overwritten, what checks read comes out of the program itself, and a
 * failure gives nothing out. Where results take over memory, checks go first, in a program of their own; unless they
 * need a product or a factorization: computing that twice costs more than fresh memory for the results does. A device
 * that is not read at once has its checks in the program always: whatever they find, the run is under way.
 */
function planPrograms(
  device: Device,
  region: Region,
  donated: ReadonlySet<number>,
  key: string,
): Pick<Trace, "usual" | "safe" | "takesOver" | "programs" | "guard"> {
  const planned = prepareFor(device, region, key, { standing: stands(device) });
  let usual = planned(donated);
  let guard: Lowered | null = null;
  if (!stands(device) && overwrites(usual) && usual.checks.length > 0) {
    guard = prepareFor(device, region, `${key} checks`, { only: "checks" })();
    const isCheap = guard.program.kernels.every(({ kind }) => kind === "loop");
    usual = isCheap ? prepareFor(device, region, `${key} results`, { only: "outputs" })(donated) : planned();
    if (!isCheap) guard = null;
  }
  const takesOver = overwrites(usual);
  let safe: Lowered | null = takesOver ? null : usual;
  return {
    usual,
    safe: () => (safe ??= planned()),
    takesOver,
    programs: () => [...new Set([usual, safe, guard].flatMap((lowered) => lowered?.program ?? []))],
    guard,
  };
}

const overwrites = ({ program }: Lowered): boolean => program.outputs.some(({ alias }) => alias !== undefined);

/** Binds buffers, runs, and wraps the results. */
function run(trace: Trace, leaves: readonly Tensor[], name: string): unknown {
  const { device } = trace;
  makeReady(trace, leaves, name);
  const transient: BackendBuffer[] = [];
  const inputs: BackendBuffer[] = [];
  for (let i = 0; i < leaves.length; i++) {
    const tensor = leaves[i]!;
    const host = tensor.storage;
    if (!(host instanceof HostStorage) || trace.leaves[i]!.donated || host.uses++ > 0) {
      inputs.push(bufferOf(device, tensor));
      continue;
    }
    // A batch is read once: its device copy need not outlive the call.
    const buffer = device.upload(tensor.dtype, host.data);
    transient.push(buffer);
    inputs.push(buffer);
  }
  for (const tensor of trace.captured) inputs.push(bufferOf(device, tensor));
  if (trace.standing) inputs.push(...trace.standing.given());
  try {
    const lowered = canDonate(trace, leaves) ? trace.usual : trace.safe();
    if (trace.guard && lowered === trace.usual) runGuard(trace, trace.guard, inputs);
    const { program, results } = lowered;
    const outputs: BackendBuffer[] = [];
    for (const spec of program.outputs) {
      outputs.push(spec.alias === undefined ? device.allocate(spec.dtype, spec.length) : inputs[spec.alias]!);
    }
    device.run(program, inputs.concat(outputs));
    if (trace.standing) trace.standing.take(outputs.slice(lowered.given));
    else {
      if (lowered.checks.length > 0) checkResults(trace, lowered, inputs, outputs);
      for (let i = lowered.given; i < outputs.length; i++) device.release(outputs[i]!);
    }
    const storages: (DeviceStorage | HostStorage)[] = [];
    for (let i = 0; i < lowered.given; i++) storages.push(storageOf(device, program.outputs[i]!, outputs[i]!, leaves));
    const tensors: Tensor[] = [];
    for (let i = 0; i < trace.outputs.length; i++) {
      const { shape, dtype } = trace.outputs[i]!;
      const place = results[i]!;
      const tensor = primitive.buffer(shape, dtype);
      if (place.space === "output") storages[place.index]!.attach(tensor);
      else attachInput(device, place.index < leaves.length ? leaves[place.index]! : trace.captured[place.index - leaves.length]!, tensor);
      tensors.push(tensor);
    }
    if (trace.donates) {
      const origin = recentOrigin(trace);
      for (let i = 0; i < leaves.length; i++) {
        if (trace.leaves[i]!.donated) spend(leaves[i]!, "was donated to an earlier call", origin);
      }
    }
    return unflattenTree(trace.result, tensors);
  } finally {
    for (const buffer of transient) device.release(buffer);
  }
}

/** Where a result of the program is kept. */
function storageOf(
  device: Device,
  spec: Program["outputs"][number],
  buffer: BackendBuffer,
  leaves: readonly Tensor[],
): DeviceStorage | HostStorage {
  if (spec.alias !== undefined) return leaves[spec.alias]!.storage as DeviceStorage;
  const small = spec.length * bytesOf(spec.dtype) <= SMALL_RESULT_BYTES ? device.takeOut(spec, buffer) : null;
  return small ? new HostStorage(small) : new DeviceStorage(device, buffer);
}

/** Milliseconds for which the place of a call stands for the calls after it. */
const ORIGIN_LIFETIME = 10;

/**
 * The place of this call, for the error of whoever uses a donated tensor. Capturing a stack takes about 10 µs, as long
 * as a whole step of a small model, so a loop that is faster than `ORIGIN_LIFETIME` does it only now and then.
 */
function recentOrigin(trace: Trace): Error {
  const now = performance.now();
  const known = origins.get(trace);
  if (known && now - known.time < ORIGIN_LIFETIME) return known.origin;
  const origin = captureOrigin();
  origins.set(trace, { origin, time: now });
  return origin;
}

const origins = new WeakMap<Trace, { readonly origin: Error; readonly time: number }>();

/** A result that is an argument or a captured tensor shares its elements. */
function attachInput(device: Device, source: Tensor, tensor: Tensor): void {
  if (source.storage instanceof HostStorage) tensor.storage = new HostStorage(source.storage.data);
  else {
    bufferOf(device, source);
    (source.storage as DeviceStorage).attach(tensor);
  }
}

/** Computes arguments that are still pending; refuses spent and foreign ones. */
function makeReady(trace: Trace, leaves: readonly Tensor[], name: string): void {
  let pending: Tensor[] | null = null;
  for (const list of [leaves, trace.captured]) {
    for (const tensor of list) {
      if (tensor.spent) throw spentError(name, tensor);
      if (!tensor.storage) (pending ??= []).push(tensor);
      else if (tensor.storage.device && tensor.storage.device !== trace.device) {
        throw differentDevices(name, tensor.storage.device, trace.device);
      }
    }
  }
  if (pending) evaluateOn(trace.device, pending);
}

/** Runs checks that have a program of their own. */
function runGuard({ device, failures }: Trace, guard: Lowered, inputs: readonly BackendBuffer[]): void {
  const outputs = guard.program.outputs.map((spec) => device.allocate(spec.dtype, spec.length));
  device.run(guard.program, [...inputs, ...outputs]);
  try {
    runChecks(device, guard, failures, inputs, outputs);
  } finally {
    for (const buffer of outputs) device.release(buffer);
  }
}

/** Looks at the checks of a program that has overwritten nothing: a failure frees what it made. */
function checkResults(
  { device, failures }: Trace,
  lowered: Lowered,
  inputs: readonly BackendBuffer[],
  outputs: readonly BackendBuffer[],
): void {
  try {
    runChecks(device, lowered, failures, inputs, outputs);
  } catch (failure) {
    for (const buffer of outputs) device.release(buffer);
    throw failure;
  }
}

let runs = 0;

/** True where the memory of every donated argument is nobody else's: no other tensor, no pending work, no second place. */
function canDonate(trace: Trace, leaves: readonly Tensor[]): boolean {
  if (!trace.takesOver) return true;
  runs++;
  let possible = true;
  for (let i = 0; i < leaves.length; i++) if (!isFree(leaves[i]!, trace.leaves[i]!.donated)) possible = false;
  for (const tensor of trace.captured) if (!isFree(tensor, false)) possible = false;
  return possible;
}

/** False where the memory is that of an argument before, or donated and somebody else's too. */
function isFree(tensor: Tensor, donated: boolean): boolean {
  const { storage } = tensor;
  if (!(storage instanceof DeviceStorage)) return true;
  const isFree = storage.lastRun !== runs && (!donated || (storage.exclusive && tensor.consumers === 0));
  storage.lastRun = runs;
  return isFree;
}
