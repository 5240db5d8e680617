/**
 * The tensor: a node of a lazy graph that sleeps until somebody asks for its value. Owns identity, the life of a
 * node (pending → stored → spent) and the default device; it computes nothing itself.
 */
import { type DType, type TypedArray } from "./dtype.ts";
import { DTypeError, DeviceError, ShapeError, SpentError } from "./errors.ts";
import type { Params, Primitive } from "./primitives.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** Nested arrays of numbers (booleans for `bool`), as `array()` returns and `tensor()` takes. */
export type NestedArray = number | boolean | readonly NestedArray[];

/** What a tensor asks of the device it lives on. `run/device.ts` implements it. */
export interface TensorDevice {
  readonly name: string;
  /** Computes (if need be) and copies the elements out. */
  read(tensor: Tensor): Promise<TypedArray>;
  /** As `read`, at once; throws where the device cannot. */
  readSync(tensor: Tensor): TypedArray;
}

/** Where the elements of a stored tensor are: on a device, on the host, or both. */
export interface Storage {
  readonly device: TensorDevice | null;
  /** The tensor stops holding the elements; the memory is free once no tensor does. */
  detach(tensor: Tensor): void;
}

/** How the elements of a tensor can be had. */
export type Status = "pending" | "stored" | "spent";

/** Why a tensor cannot be used any more; `origin` was made where that was decided. */
export interface Spent {
  readonly why: string;
  readonly origin: Error | null;
}

/** Shared by all nodes that have none: every one counts in a step of microseconds. */
export const noSources: readonly Tensor[] = Object.freeze([]);

let nextId = 0;
/** Nodes made from now on have at least this id. */
export const nextTensorId = (): number => nextId;

/**
 * An n-dimensional array of one dtype. `Tensor<[2, 3]>` knows its shape at compile time, `Tensor` only when it runs.
 * Make one with `tensor()`, `zeros()` …; every op returns a new one at once and computes nothing until
 * `data()`, `array()`, `item()` or `evaluate()` asks.
 */
export class Tensor<S extends Shape = Shape> implements Disposable {
  readonly shape: S;
  readonly dtype: DType;
  /** Serial number: a node is younger than all its inputs. @internal */
  readonly id: number = nextId++;
  /** @internal */
  op: Primitive;
  /** @internal */
  sources: readonly Tensor[];
  /** @internal */
  params: Params[Primitive];
  /** @internal */
  storage: Storage | null = null;
  /** Pending nodes that will read this one. @internal */
  consumers = 0;
  /** Set while this pending node does not count among the consumers of its sources. @internal */
  released = false;
  /** Set once the user gave the tensor up. @internal */
  spent: Spent | null = null;

  /** @internal Use `tensor()` or an op. */
  constructor(
    op: Primitive,
    sources: readonly Tensor[],
    shape: S,
    dtype: DType,
    params: Params[Primitive],
  ) {
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (source.spent) throw spentError(op, source);
      if (source.released) retain(source);
      source.consumers++;
    }
    this.op = op;
    this.sources = sources;
    this.shape = shape;
    this.dtype = dtype;
    this.params = params;
    tracker.onCreate?.(this);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** `pending` until computed, `stored` once it has elements, `spent` once given up. */
  get status(): Status {
    return this.spent ? "spent" : this.storage ? "stored" : "pending";
  }

  /** The elements in row-major order, as the typed array of the dtype. */
  async data(): Promise<TypedArray> {
    return deviceOf(this, "data").read(this);
  }

  /** As `data()`, at once. Only devices that can wait (CPU) have it. */
  dataSync(): TypedArray {
    return deviceOf(this, "dataSync").readSync(this);
  }

  /** The elements as nested arrays: `[[1, 2], [3, 4]]`; a plain number for a scalar. */
  async array(): Promise<NestedArray> {
    return nest(await deviceOf(this, "array").read(this), this);
  }

  /** The only element of a one-element tensor. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError("item", `the tensor has ${this.size} elements`, {
        expected: 1,
        received: this.size,
        hint: "use data() or array() for more than one",
      });
    }
    return Number((await deviceOf(this, "item").read(this))[0]);
  }

  /** Gives the tensor up: its memory is free as soon as pending work that needs it is done. */
  dispose(): void {
    if (this.spent) return;
    spend(this, "was disposed of");
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What a tensor is, without its values, which have to be waited for: `print(x)` shows those. */
  toString(): string {
    return `Tensor(${this.dtype}[${this.shape.join(", ")}], ${this.status})`;
  }

  /** `console.log` in Node, Deno and Bun shows one line instead of the graph under the tensor. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** A comparison or an operator on tensors would quietly give false or NaN, so it is refused. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new DTypeError("tensor", "a tensor is not a number, and operators do not compute with it", {
      received: this.shape,
      hint: "use add, mul, less …, or read it first: await x.item()",
    });
  }
}

/** Marks a tensor as given up and lets go of what only it was holding. */
export const spend = (tensor: Tensor, why: string, origin: Error | null = captureOrigin()): void =>
  spendFor(tensor, { why, origin });

/** As `spend`, for a reason that many tensors share. */
export function spendFor(tensor: Tensor, reason: Spent): void {
  tensor.spent = reason;
  if (tensor.consumers === 0) letGo(tensor);
}

/** Frees the storage and forgets the inputs of a node that nobody can read any more. */
function letGo(tensor: Tensor): void {
  tensor.storage?.detach(tensor);
  tensor.storage = null;
  forgetSources(tensor);
}

/**
 * Cuts a node from its inputs; an input that was waiting only for this node is let go too. A pending input that
 * nobody else reads was only a step on the way: it stays usable, but no longer keeps alive what it was made of.
 */
export function forgetSources(tensor: Tensor): void {
  const { sources } = tensor;
  tensor.sources = noSources;
  if (sources.length === 0) tensor.released = false;
  else if (tensor.released) tensor.released = false;
  else dropConsumer(sources);
}

function dropConsumer(sources: readonly Tensor[]): void {
  // A list of work instead of recursion: chains of pending nodes can be deeper than the stack.
  const work = [...sources];
  for (let source = work.pop(); source; source = work.pop()) {
    if (--source.consumers > 0) continue;
    if (source.spent) letGo(source);
    else if (!source.storage && !source.released && source.sources.length > 0) {
      source.released = true;
      work.push(...source.sources);
    }
  }
}

/** Counts a released node, and released nodes below it, among the consumers of their sources again. */
export function retain(tensor: Tensor): void {
  const work = [tensor];
  for (let node = work.pop(); node; node = work.pop()) {
    if (!node.released) continue;
    node.released = false;
    for (const source of node.sources) {
      source.consumers++;
      work.push(source);
    }
  }
}

/** The error for using a tensor after it was disposed of or donated. */
export function spentError(op: string, tensor: Tensor): SpentError {
  const { why, origin } = tensor.spent!;
  const where = callerOf(origin?.stack);
  const donated = why.startsWith("was donated");
  const place = where && (donated ? ` (made at ${where})` : ` at ${where}`);
  return new SpentError(op, `tensor ${why}${place}${donated ? " and its memory reused" : ""}`, {
    received: tensor.shape,
    hint: donated ? "keep the returned one" : "make a new one, or keep it alive longer",
  });
}

/** Remembers the place of a call. The stack is only formatted if somebody asks; capturing takes about 2 µs. */
export function captureOrigin(): Error {
  // A property of V8 and JavaScriptCore; elsewhere nobody reads it.
  const errors = Error as ErrorConstructor & { stackTraceLimit: number };
  const limit = errors.stackTraceLimit;
  errors.stackTraceLimit = 8;
  const origin = new Error("origin");
  errors.stackTraceLimit = limit;
  return origin;
}

/** `file.ts:12` of the first frame outside this library's own packages. */
export function callerOf(stack: string | undefined): string {
  for (const line of (stack ?? "").split("\n").slice(1)) {
    const at = /(?:\(|at |@)((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):\d+\)?$/.exec(line.trim());
    if (!at || isOwnFile(at[1]!)) continue;
    return `${at[1]!.split(/[\\/]/).at(-1)}:${at[2]}`;
  }
  return "";
}
const isOwnFile = (file: string): boolean =>
  /[\\/](?:packages|@dormouse)[\\/][a-z-]+[\\/](?:src|dist)[\\/]|node_modules/.test(file);

/** Hooks through which `scope` sees every node that is made. */
export const tracker: { onCreate: ((tensor: Tensor) => void) | null } = { onCreate: null };

let depth = 0;

/** True while a transform or `compile` is calling a function to see its graph. */
export const isTracing = (): boolean => depth > 0;

/** Calls `f` to see its graph: nothing that is computed meanwhile forgets how it was made. */
export function traced<T>(f: () => T): T {
  depth++;
  try {
    return f();
  } finally {
    depth--;
  }
}

let defaultDevice: TensorDevice | null = null;

/** Chooses the device that computes from now on: `setDevice(await cpu())`. Returns the one before. */
export function setDevice<D extends TensorDevice>(device: D | null): TensorDevice | null {
  if (device !== null && typeof device?.read !== "function") {
    const isPromise = typeof (device as { then?: unknown } | undefined)?.then === "function";
    throw new DeviceError("setDevice", `${isPromise ? "a promise" : String(device)} is not a device`, {
      expected: "a device",
      received: device,
      hint: "setDevice(await cpu()) from @dormouse/backend-cpu",
    });
  }
  const before = defaultDevice;
  defaultDevice = device;
  return before;
}

/** The device chosen by `setDevice`; throws where there is none. */
export function device(op = "device"): TensorDevice {
  if (!defaultDevice) {
    throw new DeviceError(op, "no device is set", {
      hint: "setDevice(await cpu()) from @dormouse/backend-cpu",
    });
  }
  return defaultDevice;
}

/** The device a tensor is on, or the default one for a tensor that is on none. */
export function deviceOf(tensor: Tensor, op: string): TensorDevice {
  if (tensor.spent) throw spentError(op, tensor);
  return tensor.storage?.device ?? device(op);
}

/** Cuts a flat array into nested ones of `tensor`'s shape. */
function nest(flat: TypedArray, tensor: Tensor): NestedArray {
  const element = tensor.dtype === "bool" ? (i: number) => flat[i] !== 0 : (i: number) => flat[i]!;
  let next = 0;
  const build = (axis: number): NestedArray =>
    axis === tensor.rank
      ? element(next++)
      : Array.from({ length: tensor.shape[axis]! }, () => build(axis + 1));
  return build(0);
}
