/**
 * Computing tensors: finds the pending region under them, lowers it (once per structure), runs it and gives the
 * tensors their storage. A node forgets its inputs once it has its elements.
 */
import { allocate, roundTo } from "../core/dtype.ts";
import { DeviceError, TransformError, ValueError } from "../core/errors.ts";
import { type Body, type Params, type Primitive, topologicalOrder } from "../core/primitives.ts";
import { type Tensor, type TensorDevice, deviceOf, forgetSources, isTracing, retain, spentError } from "../core/tensor.ts";
import { type Fail, failuresOf } from "../lower/ir.ts";
import { type LowerOptions, type Lowered, prepare } from "../lower/lower.ts";
import { showParams } from "../lower/value.ts";
import { treeLeaves } from "../tree/index.ts";
import type { BackendBuffer } from "./backend.ts";
import type { Device } from "./device.ts";
import { DeviceStorage, HostStorage } from "./storage.ts";

/**
 * Starts computing every tensor of the given trees, together: what they share is computed once. Returns at once;
 * reading a value waits for it.
 *
 * @example
 * const loss = mean(square(x));
 * evaluate(loss);
 */
export function evaluate(...trees: readonly unknown[]): void {
  const pending = trees.flatMap((tree) => treeLeaves(tree)).filter((tensor) => {
    if (tensor.spent) throw spentError("evaluate", tensor);
    return !tensor.storage;
  });
  if (pending.length > 0) evaluateOn(deviceUnder(pending), pending);
}

/** The device that the stored inputs of pending tensors are on, or the default one. */
function deviceUnder(pending: readonly Tensor[]): Device {
  for (const node of topologicalOrder(pending, isStored)) {
    if (node.storage instanceof DeviceStorage) return node.storage.device as Device;
  }
  return deviceOf(pending[0]!, "evaluate") as Device;
}

const isStored = (node: Tensor): boolean => node.storage !== null;

/** Primitives whose result is kept if something outside the region will need it too. */
const worthKeeping: ReadonlySet<Primitive> = new Set<Primitive>([
  "dot", "reduce", "argmax", "cumsum", "argsort", "gather", "scatterAdd", "fold", "concat", "call", "random",
  "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf", "sqrt", "div", "pow",
]);

/** Elements of one value up to which the host writes them: code for every shape that zeros have takes a millisecond. */
const longestFill = 1 << 20;

/** Gives a tensor of one value its elements at once; false for any other. */
function fill(tensor: Tensor): boolean {
  const source = tensor.op === "broadcast" ? tensor.sources[0] : tensor;
  if (source?.op !== "constant" || tensor.size > longestFill) return false;
  const { value } = source.params as Params["constant"];
  const elements = allocate(tensor.dtype, tensor.size);
  // New elements are zero, and memory that nobody writes costs nothing until it is read.
  if (!Object.is(value, 0)) elements.fill(roundTo(tensor.dtype, value));
  new HostStorage(elements).attach(tensor);
  close(tensor);
  return true;
}

/** Computes pending tensors on a device. */
export function evaluateOn(device: Device, pending: readonly Tensor[]): void {
  for (const root of pending) retain(root);
  const roots = pending.filter((tensor) => !fill(tensor));
  if (roots.length === 0) return;
  const order = topologicalOrder(roots, isStored);
  const region = regionOf(device, order, roots);
  const key = keyOf(region);
  const lowered = device.remembered(key, () => prepareFor(device, region, key)());
  const buffers = region.inputs.map((tensor) => bufferOf(device, tensor));
  const outputs = lowered.program.outputs.map((spec) => device.allocate(spec.dtype, spec.length));
  device.run(lowered.program, [...buffers, ...outputs]);

  if (lowered.checks.length > 0) {
    try {
      runChecks(device, lowered, failuresOf(order), buffers, outputs);
    } catch (failure) {
      // Nothing is given out and nothing is lost: the tensors stay pending.
      for (const buffer of outputs) device.release(buffer);
      throw failure;
    }
  }
  settle(device, region, lowered, outputs);
}

/** Reads what the checks of a program found; throws the error of the first that failed, at once or with a later read. */
export function runChecks(
  device: Device,
  { checks }: Lowered,
  failures: readonly Fail[],
  inputs: readonly BackendBuffer[],
  outputs: readonly BackendBuffer[],
): void {
  device.check(
    checks.map(({ place: { space, index } }) => (space === "input" ? inputs : outputs)[index]!),
    checks.map(({ index }) => failures[index]!),
  );
}

/** Gives every computed tensor its storage and cuts it from its inputs. */
function settle(
  device: Device,
  region: EvaluationRegion,
  lowered: Lowered,
  outputs: readonly BackendBuffer[],
): void {
  // A storage frees its buffer when it is forgotten, so a buffer that is freed here must never have one.
  const storages = new Map<number, DeviceStorage>();
  const storageOf = (index: number): DeviceStorage => {
    const storage = storages.get(index) ?? new DeviceStorage(device, outputs[index]!);
    storages.set(index, storage);
    return storage;
  };
  region.outputs.forEach((tensor, i) => {
    const { space, index } = lowered.results[i]!;
    (space === "input" ? (region.inputs[index]!.storage as DeviceStorage) : storageOf(index)).attach(tensor);
  });
  outputs.forEach((buffer, index) => {
    if (!storages.has(index)) device.release(buffer);
  });
  region.outputs.forEach(close);
}

/** Cuts a tensor that has its elements from how it was made, unless a transform is looking at that. */
function close(tensor: Tensor): void {
  if (isTracing()) return;
  forgetSources(tensor);
  tensor.op = "buffer";
  tensor.params = {};
}

/** The error for tensors of two devices in one computation; two of one kind have one name. */
export function differentDevices(op: string, home: TensorDevice, device: TensorDevice): DeviceError {
  const rest = home.name === device.name ? `another ${device.name}` : device.name;
  return new DeviceError(op, `a tensor is on ${home.name}, the rest on ${rest}`, {
    expected: device.name,
    received: home.name,
    hint: "make both on one device: tensor(await x.array()) after setDevice",
  });
}

interface EvaluationRegion {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly order: readonly Tensor[];
}

function regionOf(device: Device, order: readonly Tensor[], roots: readonly Tensor[]): EvaluationRegion {
  const inputs = order.filter(isStored);
  for (const node of order) {
    if (node.op === "placeholder" && !node.storage) {
      throw new TransformError("evaluate", "the value depends on an argument of a function that is being traced", {
        hint: "read values outside of compile and vmap",
      });
    }
    if (node.op === "buffer" && !node.storage && node.spent) throw spentError("evaluate", node);
    const home = node.storage?.device;
    if (home && home !== device) {
      throw differentDevices("evaluate", home, device);
    }
  }
  return { inputs, outputs: [...roots, ...sharedWithOthers(order, roots)], order };
}

/** Costly nodes of the region that pending nodes outside it will read: kept, so that nothing is computed twice. */
function sharedWithOthers(order: readonly Tensor[], roots: readonly Tensor[]): Tensor[] {
  const inside = new Map<Tensor, number>();
  for (const node of order) {
    if (isStored(node)) continue;
    for (const source of node.sources) inside.set(source, (inside.get(source) ?? 0) + 1);
  }
  const wanted = new Set(roots);
  return order.filter(
    (node) =>
      !isStored(node) && !wanted.has(node) && worthKeeping.has(node.op) && node.consumers > (inside.get(node) ?? 0),
  );
}

/** Schedules for a device's limits; see `prepare`. */
export const prepareFor = (
  device: Device,
  region: Pick<EvaluationRegion, "inputs" | "outputs">,
  key: string,
  options: Pick<LowerOptions, "only" | "standing"> = {},
): ReturnType<typeof prepare> =>
  prepare(region, { key, maxBindings: device.backend.capabilities.maxBindings, ...options });

/** The buffer of a stored tensor; a host tensor moves to the device. */
export function bufferOf(device: Device, tensor: Tensor): BackendBuffer {
  if (tensor.storage instanceof HostStorage) return device.uploadTensor(tensor).buffer;
  if (!(tensor.storage instanceof DeviceStorage)) {
    throw new ValueError("evaluate", "a tensor lost its elements while it was needed", { hint: "this is a bug" });
  }
  return tensor.storage.buffer;
}

/** The structure of a region as text: equal keys lower to equal programs. */
function keyOf({ inputs, outputs, order }: EvaluationRegion): string {
  const lines: string[] = [];
  const number = new Map<Tensor, number>();
  inputs.forEach((tensor, i) => {
    number.set(tensor, i);
    lines.push(`${tensor.dtype}[${tensor.shape.join()}]`);
  });
  describeNodes(order, number, lines);
  lines.push(`> ${outputs.map((tensor) => number.get(tensor)).join()}`);
  return lines.join("\n");
}

function describeNodes(order: readonly Tensor[], number: Map<Tensor, number>, lines: string[]): void {
  for (const node of order) {
    if (number.has(node)) continue;
    const sources = node.sources.map((source) => number.get(source)).join();
    number.set(node, lines.length);
    lines.push(`${node.op} ${sources} ${node.dtype}[${node.shape.join()}] ${describeParams(node)}`);
  }
}

/** Bodies are closed and never change, so each is described once. */
const describedBodies = new WeakMap<Body, string>();

function describeBody(body: Body): string {
  let text = describedBodies.get(body);
  if (text === undefined) {
    const lines = body.inputs.map((hole) => `${hole.dtype}[${hole.shape.join()}]`);
    const number = new Map(body.inputs.map((hole, i) => [hole, i]));
    describeNodes(topologicalOrder([body.output], (node) => number.has(node)), number, lines);
    text = `{${lines.join("; ")} > ${number.get(body.output)}}`;
    describedBodies.set(body, text);
  }
  return text;
}

/** What distinguishes a node from another of its primitive, as text. */
function describeParams({ op, params }: Tensor): string {
  if (op === "check") return "";
  if (op === "call") return describeBody((params as Params["call"]).body);
  return showParams(params);
}
