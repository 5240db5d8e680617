/**
 * Compiled functions: a function over trees of tensors is called once with placeholders, its graph becomes a program,
 * and later calls only check shapes, bind buffers and run (`call.ts`). Owns tracing and the choice of programs.
 */
import { TransformError, ValueError } from "../core/errors.ts";
import { primitive, topologicalOrder } from "../core/primitives.ts";
import type { Shape } from "../core/shape.ts";
import {
  type Tensor,
  deviceOf,
  forgetSources,
  isTracing,
  nextTensorId,
  spend,
  spentError,
  traced,
  tracker,
} from "../core/tensor.ts";
import { type Region, failuresOf } from "../lower/ir.ts";
import type { Lowered } from "../lower/lower.ts";
import { flattenTree, unflattenTree } from "../tree/index.ts";
import { CallLists, type Trace, findTrace, run } from "./call.ts";
import { StandingChecks } from "./checks.ts";
import type { Device } from "./device.ts";
import { evaluateOn, prepareFor } from "./evaluate.ts";

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
  let idle: CallLists | null = null;
  const call = (...args: A): R => {
    if (isTracing()) return f(...args);
    // A getter in a tree or a listener for warnings may call the function while it is at work.
    const lists = idle ?? new CallLists();
    idle = null;
    try {
      let trace = findTrace(traces, args, lists.leaves);
      if (!trace) {
        trace = makeTrace(f, args, donate, name, lists.leaves);
        traces.push(trace);
      }
      return run(trace, lists, name) as R;
    } finally {
      lists.clear();
      idle = lists;
    }
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

/** Traces `f` for arguments; their leaves are put into `found`. */
function makeTrace(
  f: (...args: never) => unknown,
  args: readonly unknown[],
  donate: ReadonlySet<number>,
  name: string,
  found: (Tensor | null)[],
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
  for (const [i, tensor] of tensors.entries()) found[i] = tensor;
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
  // Equal shapes become one object: what a call returns is known at once as what the next one wants.
  const shapes = new Map<string, Shape>();
  const oneOf = (shape: Shape): Shape => {
    const text = shape.join();
    if (!shapes.has(text)) shapes.set(text, shape);
    return shapes.get(text)!;
  };
  const isStanding = stands(device) && programs.usual.checks.length > 0;
  return {
    device,
    args: flat.map(({ structure }) => structure),
    leaves: tensors.map(({ shape, dtype }, i) => ({ shape: oneOf(shape), dtype, donated: donated[i]! })),
    donates: donated.includes(true),
    captured,
    result: result.structure,
    outputs: result.leaves.map(({ shape, dtype }) => ({ shape: oneOf(shape), dtype })),
    failures,
    ...programs,
    donation: { reason: null, time: 0 },
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
