/**
 * Running a graph on a bare backend, below devices and evaluation; and the search for what went wrong there: every
 * step of a program on two backends, each time from the memory of the first, until one writes something else.
 */
import type { DType, TypedArray } from "@dormouse/tensor";
import {
  type Backend,
  type Executable,
  type HostStorage,
  type Kernel,
  type Program,
  type Slot,
  type StoredArray,
  bytesOf,
  isFloat,
  lower,
  toStored,
  viewOf,
} from "@dormouse/tensor/graph";
import { type Tolerance, differenceOf } from "./close.ts";
import type { RandomGraph } from "./random-graph.ts";

/** The elements an input of a random graph holds, as a device stores them. */
const elementsOf = ({ inputs }: RandomGraph): StoredArray[] =>
  inputs.map(({ storage, dtype }) => toStored(dtype, (storage as HostStorage).data));

/**
 * Lowers a graph over host tensors for a backend, runs it `times` times on fresh memory, and returns the elements of
 * the outputs of every run.
 */
export async function runGraph(
  backend: Backend,
  graph: RandomGraph,
  { fuse = true, times = 1 }: { readonly fuse?: boolean; readonly times?: number } = {},
): Promise<TypedArray[][]> {
  const { program, results } = lowered(graph, fuse, backend);
  const executable = await backend.compile(program);
  const runs: TypedArray[][] = [];
  for (let run = 0; run < times; run++) {
    const given = elementsOf(graph).map((data) => filled(backend, data));
    const made = program.outputs.map(({ dtype, length }) => backend.alloc(length * bytesOf(dtype)));
    backend.run(executable, [...given, ...made]);
    runs.push(
      await Promise.all(
        graph.outputs.map(async ({ dtype, size }, i) => {
          const place = results[i]!;
          const buffer = (place.space === "input" ? given : made)[place.index]!;
          return viewOf(dtype, await backend.read(buffer, 0, size * bytesOf(dtype)));
        }),
      ),
    );
    for (const buffer of [...given, ...made]) backend.free(buffer);
  }
  executable.dispose?.();
  return runs;
}

let serial = 0;
const lowered = (graph: RandomGraph, fuse: boolean, { capabilities: { maxBindings } }: Backend) =>
  lower(graph, { key: `test graph ${serial++}`, fuse, maxBindings });

function filled(backend: Backend, data: StoredArray) {
  const buffer = backend.alloc(data.byteLength);
  backend.write(buffer, data);
  return buffer;
}

/** The first step of a program that writes something else than the oracle. */
export interface WrongKernel {
  readonly step: number;
  readonly kernel: Kernel;
  readonly argument: number;
  readonly element: number;
  readonly actual: number;
  readonly expected: number;
  /** How many elements differ, of how many. */
  readonly differing: number;
  readonly length: number;
}

/**
 * Finds the first wrong kernel of a graph. Each step runs alone, as a program of its own, on both backends and from
 * the same memory: what the oracle's steps before it have written. Null if every kernel is right by itself: then
 * look at the plan of memory, at the driver, or at a rounding that decides a branch of the graph.
 */
export async function firstWrongKernel(
  oracle: Backend,
  tested: Backend,
  graph: RandomGraph,
  { fuse = true, ...tolerance }: Tolerance & { readonly fuse?: boolean } = {},
): Promise<WrongKernel | null> {
  const { program } = lowered(graph, fuse, tested);
  const memory = new Map<string, Uint8Array>();
  elementsOf(graph).forEach(({ buffer, byteOffset, byteLength }, i) => {
    memory.set(`input ${i}`, new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice());
  });
  for (const [step, { kernel: number, slots }] of program.steps.entries()) {
    const kernel = program.kernels[number]!;
    const places = slots.map((slot) => placeOf(program, slot));
    const expected = await runAlone(oracle, kernel, places, memory);
    const actual = await runAlone(tested, kernel, places, memory);
    for (const [argument, { dtype, access }] of kernel.args.entries()) {
      if (access === "read") continue;
      const [got, wanted] = [actual[argument]!, expected[argument]!];
      const allowed = isFloat(dtype) ? tolerance : { relative: 0, absolute: 0.5 };
      const difference = differenceOf(got, wanted, allowed);
      if (difference) {
        const { first: element, count: differing } = difference;
        const found = { step, kernel, argument, element, differing, length: wanted.length };
        return { ...found, actual: got[element]!, expected: wanted[element]! };
      }
      memory.set(places[argument]!, bytesOfArray(dtype, wanted));
    }
  }
  return null;
}

/** Names the memory of a slot; an output that takes over an input has the name of that input. */
function placeOf({ outputs }: Program, slot: Slot): string {
  if (slot.space === "temporary") return `temporary ${slot.offset}`;
  const alias = slot.space === "output" ? outputs[slot.index]!.alias : undefined;
  return alias === undefined ? `${slot.space} ${slot.index}` : `input ${alias}`;
}

function bytesOfArray(dtype: DType, values: TypedArray): Uint8Array {
  const { buffer, byteOffset, byteLength } = toStored(dtype, values);
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();
}

/** Runs one kernel over copies of `memory`; arguments at one place share a buffer. Returns the elements of each. */
async function runAlone(
  backend: Backend,
  kernel: Kernel,
  places: readonly string[],
  memory: ReadonlyMap<string, Uint8Array>,
): Promise<TypedArray[]> {
  const distinct = [...new Set(places)];
  const slots = places.map((place): Slot => ({ space: "output", index: distinct.indexOf(place) }));
  const outputs = distinct.map((place) => {
    const sharing = kernel.args.filter((_, i) => places[i] === place);
    return sharing.reduce((largest, arg) => (arg.length > largest.length ? arg : largest));
  });
  const executable: Executable = await backend.compile({
    key: `test kernel ${serial++}`,
    inputs: [],
    outputs: outputs.map(({ dtype, length }) => ({ dtype, length })),
    kernels: [kernel],
    steps: [{ kernel: 0, slots }],
    temporaryBytes: 0,
  });
  const buffers = outputs.map(({ dtype, length }, i) => {
    const bytes = length * bytesOf(dtype);
    const before = new Uint8Array(bytes);
    before.set(memory.get(distinct[i]!)?.subarray(0, bytes) ?? []);
    const buffer = backend.alloc(bytes);
    backend.write(buffer, before);
    return buffer;
  });
  backend.run(executable, buffers);
  const results = await Promise.all(
    kernel.args.map(async ({ dtype, length }, i) =>
      viewOf(dtype, await backend.read(buffers[distinct.indexOf(places[i]!)]!, 0, length * bytesOf(dtype))),
    ),
  );
  for (const buffer of buffers) backend.free(buffer);
  executable.dispose?.();
  return results;
}

/** What is wrong, for the message of a failing test: the kernel, the first wrong element, and the kernel's code. */
export async function describeWrongKernel(...args: Parameters<typeof firstWrongKernel>): Promise<string> {
  const wrong = await firstWrongKernel(...args);
  if (!wrong) return "every kernel is right by itself";
  const { step, kernel, argument, element, actual, expected, differing, length } = wrong;
  return (
    `step ${step} (${kernel.kind}) writes ${actual} to element ${element} of its argument ${argument} ` +
    `and should write ${expected} (${differing} of ${length} differ)\n${JSON.stringify(kernel)}`
  );
}
