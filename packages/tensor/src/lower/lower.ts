/**
 * From a region of the graph to a program: values, schedule, merge, plan, kernels. The stages are in the files beside
 * this one; this file only connects them.
 */
import { sizeOf } from "../core/shape.ts";
import { finish, kernelKey } from "./finish.ts";
import { type Region, Values, regionValues } from "./ir.ts";
import { type Value, is } from "./value.ts";
import { merge } from "./merge.ts";
import { type Plan, plan } from "./plan.ts";
import type { BufferSpec, Kernel, Program, Slot, Step } from "./program.ts";
import { schedule } from "./schedule.ts";
import { verify } from "./verify.ts";

export interface LowerOptions {
  /** Identifies the program in caches. */
  readonly key: string;
  /** `false`: one kernel per operation, for comparison. */
  readonly fuse?: boolean;
  /** Buffers one kernel may take, at least 5; 0 for no limit. Scratch memory counts as one. */
  readonly maxBindings?: number;
  /** Only the outputs, or only the positions that checks read. Default both. */
  readonly only?: "outputs" | "checks";
  /**
   * What a check found stands: the program is given each position of the run before, as inputs behind those of the
   * region, and keeps it unless it is negative.
   */
  readonly standing?: boolean;
}

/** Where the elements of a wanted tensor are after a run. */
export type ResultPlace =
  | { readonly space: "input"; readonly index: number }
  | { readonly space: "output"; readonly index: number };

export interface Lowered {
  readonly program: Program;
  /** One per output of the region. */
  readonly results: readonly ResultPlace[];
  /** Positions that checks read, each once; `index` is that of the check in `failuresOf`. */
  readonly checks: readonly { readonly place: ResultPlace; readonly index: number }[];
  /** How many outputs of the program are results; those after them are read by checks only. */
  readonly given: number;
}

/** Lowers a region. `donated`: inputs (by number) whose memory outputs may take over. */
export const lower = (region: Region, options: LowerOptions & { readonly donated?: ReadonlySet<number> }): Lowered =>
  prepare(region, options)(options.donated);

/**
 * Schedules the kernels of a region; what is returned plans their memory for a set of donated inputs, as often as
 * wanted and after the graph is gone.
 */
export function prepare(region: Region, options: LowerOptions): (donated?: ReadonlySet<number>) => Lowered {
  const { outputs: wanted, checks, roots } = rootsOf(region, options);
  const computed = roots.filter((value) => value.op !== "input");
  const outputs = new Set(computed.map((value) => value.id));
  const fuse = options.fuse ?? true;
  const maxBindings = options.maxBindings || Infinity;
  const scheduled = schedule(computed, { fuse, maxBindings });
  const inputIds = new Map<number, number>();
  for (const value of [...scheduled.stored.values(), ...roots]) {
    if (is(value, "input")) inputIds.set(value.id, value.params.index);
  }
  const apart = new Set([...outputs, ...inputIds.keys()]);
  const drafts = fuse ? merge(scheduled.drafts, { outputs, apart, maxBindings }) : scheduled.drafts;
  const all = new Map<number, Value>([...scheduled.stored, ...computed.map((value) => [value.id, value] as const)]);
  const inputs = region.inputs.map(({ dtype, size }): BufferSpec => ({ dtype, length: size }));
  if (options.standing) inputs.push(...checks.map(({ value }) => specOf(value)));
  const placeOf = (value: Value): ResultPlace =>
    is(value, "input")
      ? { space: "input", index: value.params.index }
      : { space: "output", index: computed.indexOf(value) };
  const results = wanted.map(placeOf);
  const places = checks.map(({ value, index }) => ({ place: placeOf(value), index }));
  const given = wanted.filter((value) => value.op !== "input").length;
  // Whoever looks at a check owns what it reads; a donated input has an owner.
  const heirs = new Set(computed.slice(0, given).map((value) => value.id));
  return (donated) => {
    const free = new Set([...inputIds].flatMap(([id, index]) => (donated?.has(index) ? [id] : [])));
    // An input that is also a result must keep its elements.
    for (const root of roots) free.delete(root.id);
    const memory = plan(drafts, all, outputs, free, heirs);
    const program = assemble(inputs, options.key, computed, all, inputIds, drafts, memory);
    verify(program);
    return { program, results, checks: places, given };
  };
}

interface Roots {
  readonly outputs: readonly Value[];
  readonly checks: readonly { readonly value: Value; readonly index: number }[];
  /** Both. */
  readonly roots: readonly Value[];
}

/**
 * The value of every output, where one that is wanted twice is stored twice, so that no two results share memory; and
 * that of every check, where checks of one position are one.
 */
function rootsOf(region: Region, { only, standing }: LowerOptions): Roots {
  const values = new Values();
  const found = regionValues(region, values);
  const seen = new Set<Value>();
  const outputs = (only === "checks" ? [] : found.outputs).map((value, i) => {
    const root = withoutReshape(value);
    if (root.op === "input") return root;
    const again = seen.has(root);
    seen.add(root);
    return again ? values.intern("barrier", [root], root.shape, root.dtype, { serial: -1 - i }) : root;
  });
  const checks = new Map<Value, number>();
  if (only !== "outputs") {
    found.checks.forEach((value, index) => {
      const root = withoutReshape(value);
      if (!checks.has(root)) checks.set(root, index);
    });
  }
  const positions = [...checks].map(([value, index], i) => ({
    value: standing ? standingOf(values, value, region.inputs.length + i) : value,
    index,
  }));
  return {
    outputs,
    checks: positions,
    roots: [...outputs, ...positions.flatMap(({ value }) => (seen.has(value) ? [] : [value]))],
  };
}

/** The position in input `index` if that is one, else the one found now. */
function standingOf(values: Values, found: Value, index: number): Value {
  const { shape, dtype } = found;
  const before = values.intern("input", [], shape, dtype, { index });
  const none = values.make("less", [before, values.constant(0, shape, dtype)], shape, "bool", {});
  return values.make("where", [none, found, before], shape, dtype, {});
}

/** A reshape has the same elements in the same order: its source can stand for it. */
function withoutReshape(value: Value): Value {
  let under = value;
  while (is(under, "reshape")) under = under.sources[0]!;
  // Constants and other values without a buffer of their own are computed in the shape that is asked for.
  return under;
}

const specOf = (value: Value): BufferSpec => ({ dtype: value.dtype, length: sizeOf(value.shape) });

function assemble(
  inputs: readonly BufferSpec[],
  key: string,
  computed: readonly Value[],
  values: ReadonlyMap<number, Value>,
  inputIds: ReadonlyMap<number, number>,
  drafts: Parameters<typeof plan>[0],
  memory: Plan,
): Program {
  const owner = (value: number) => memory.aliases.get(value) ?? value;
  const outputNumber = new Map(computed.map((value, index) => [owner(value.id), index]));
  const slotOf = (place: number): Slot => {
    const output = outputNumber.get(place);
    if (output !== undefined && !inputIds.has(place)) return { space: "output", index: output };
    const input = inputIds.get(place);
    if (input !== undefined) return { space: "input", index: input };
    // A value without elements is never written and has no place.
    return { space: "temporary", ...(memory.temporaries.get(place) ?? { offset: 0, bytes: 0 }) };
  };
  const kernels: Kernel[] = [];
  const numbers = new Map<string, number>();
  const steps = drafts.map((draft): Step => {
    const { kernel, places } = finish(draft, owner, (place) => specOf(values.get(place)!));
    const text = kernelKey(kernel);
    let number = numbers.get(text);
    if (number === undefined) {
      number = kernels.push(kernel) - 1;
      numbers.set(text, number);
    }
    // An aliased output is written through its output slot, even where the kernel also reads the input.
    const slots = places.map((place, arg): Slot => {
      const output = outputNumber.get(place);
      return kernel.args[arg]!.access !== "read" && output !== undefined ? { space: "output", index: output } : slotOf(place);
    });
    return { kernel: number, slots };
  });
  return {
    key,
    inputs,
    outputs: computed.map((value) => {
      const alias = memory.aliases.get(value.id);
      return alias === undefined ? specOf(value) : { ...specOf(value), alias: inputIds.get(alias)! };
    }),
    kernels,
    steps,
    temporaryBytes: memory.temporaryBytes,
  };
}
