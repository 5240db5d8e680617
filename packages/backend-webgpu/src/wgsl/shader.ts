/**
 * The text of one shader: bindings, the functions it calls, workgroup memory and an entry point. Owns how a grid is folded
 * to the three dimensions of a dispatch; how elements lie in buffers is the business of `memory.ts`. Refuses to know what
 * is computed.
 */
import type { KernelArgument } from "@dormouse/tensor/graph";
import { OPAQUE_ZERO, functionsFor } from "./math.ts";
import { Memory } from "./memory.ts";

export { typeOf } from "./memory.ts";

/** Workgroups that a dispatch may have along one dimension; every adapter allows this many. */
export const MOST_GROUPS = 65535;
/** Invocations of a workgroup; every adapter allows this many. */
export const LANES = 256;
/** Invocations that share a matrix: most matrices are small, and a barrier costs what its workgroup is large. */
export const MATRIX_LANES = 64;

/** What generators may use of a GPU. */
export interface Target {
  /** Storage buffers that a kernel may take, its scratch memory not counted. */
  readonly maxBindings: number;
  /** Invocations of its smallest subgroups, or 0 where it has no operations on them. */
  readonly subgroups: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
}

/** What every GPU has. */
export const plainTarget: Target = { maxBindings: 8, subgroups: 0, workgroupBytes: 16384 };

/** Which binding each argument of a kernel has. Arguments in the same memory share one. */
export interface Layout {
  /** Binding of each argument; null where it has no elements, which cannot be bound. */
  readonly bindingOf: readonly (number | null)[];
  /** Where in its binding each argument starts, in elements. */
  readonly baseOf: readonly number[];
  /** For each binding, whether its shader may write to it. */
  readonly writable: readonly boolean[];
}

/** A shader, its grid and what it binds. */
export interface Dispatch {
  readonly wgsl: string;
  /** Workgroups, before they are folded into two dimensions. */
  readonly groups: number;
  /** For each binding, an argument of the kernel that lives there, or scratch memory. */
  readonly bindings: readonly BoundMemory[];
}

export interface BoundMemory {
  /** An argument of the kernel, or the memory that the kernel asks for beside its arguments. */
  readonly memory: number | "scratch";
  readonly writable: boolean;
}

/** What a generator makes of a kernel. */
export interface GeneratedKernel {
  /** Run in order. */
  readonly dispatches: readonly Dispatch[];
  /** Arguments filled with zeros before the first. */
  readonly clears: readonly number[];
  /** Bytes of memory of its own. */
  readonly scratchBytes: number;
}

/** A number that is not an element: an address or a count. */
const whole = (value: number): string => (value === -2147483648 ? "i32(-2147483648)" : `${value}`);

/** offset + Σ strides[axis]·index[axis] as an i32; axes without a name have index 0. */
export function affineText(
  { offset, strides }: { readonly offset: number; readonly strides: readonly number[] },
  index: readonly (string | null)[],
): string {
  const terms: string[] = [];
  strides.forEach((stride, axis) => {
    const name = index[axis];
    if (stride === 0 || name === null || name === undefined) return;
    if (stride === 1) terms.push(name);
    else terms.push(`${name} * ${whole(stride)}`);
  });
  if (offset !== 0 || terms.length === 0) terms.push(whole(offset));
  return terms.join(" + ").replaceAll("+ -", "- ");
}

/** Lines that take a flat position (u32) apart into indices of the axes, and the names of those that have more than one. */
export function unravel(
  flat: string,
  lengths: readonly number[],
  prefix: string,
): { readonly lines: readonly string[]; readonly names: readonly (string | null)[] } {
  const lines: string[] = [];
  const names: (string | null)[] = [];
  const first = lengths.findIndex((length) => length > 1);
  let below = lengths.reduce((product, length) => product * length, 1);
  lengths.forEach((length, axis) => {
    if (length <= 1) return void names.push(null);
    below /= length;
    const quotient = below === 1 ? flat : `${flat} / ${below}u`;
    const value = axis === first ? quotient : below === 1 ? `${flat} % ${length}u` : `(${quotient}) % ${length}u`;
    const name = `${prefix}${axis}`;
    names.push(name);
    lines.push(`let ${name} = i32(${value});`);
  });
  return { lines, names };
}

/** What a generator says of its accesses before it makes them. */
export interface Accesses {
  /** Arguments that are added to atomically, as words. */
  readonly atomic?: readonly number[];
  /** Arguments that are read in quads, and if they are written, then only so. */
  readonly quads?: readonly number[];
}

/** Collects a shader. Generators ask it for loads and stores, and hand it the body of `main`. */
export class Shader {
  readonly #args: readonly KernelArgument[];
  readonly #layout: Layout;
  readonly #functions = new Set<string>();
  readonly #extensions = new Set<string>();
  readonly #declarations: string[] = [];
  /** One for each binding. */
  readonly #memories: readonly Memory[];
  #names = 0;
  #scratch: string | null = null;

  constructor(args: readonly KernelArgument[], layout: Layout, { atomic = [], quads = [] }: Accesses = {}) {
    this.#args = args;
    this.#layout = layout;
    this.#memories = layout.writable.map((_, binding) => {
      const uses = args.flatMap(({ dtype, access }, arg) =>
        layout.bindingOf[arg] === binding
          ? [{ dtype, isWritten: access !== "read", inQuads: quads.includes(arg), isAdded: atomic.includes(arg) }]
          : [],
      );
      return new Memory(binding, uses);
    });
    for (const { extension } of this.#memories) if (extension) this.enable(extension);
  }

  /** Makes operations on subgroups available, and `subgroup_size` in the body of `main`. */
  useSubgroups(): void {
    this.enable("subgroups");
  }

  /** The name of a library function, which the shader will contain. */
  call(name: string, ...operands: readonly string[]): string {
    this.#functions.add(name);
    return `${name}(${operands.join(", ")})`;
  }

  /** A name that no other value has. */
  fresh(prefix = "v"): string {
    return `${prefix}${this.#names++}`;
  }

  /** Adds a declaration at module scope: workgroup memory, or a function. */
  declare(text: string): void {
    if (!this.#declarations.includes(text)) this.#declarations.push(text);
  }

  /** Switches an extension of the language on. */
  enable(extension: string): void {
    this.#extensions.add(extension);
  }

  /** The element at `address` as a value; null where the argument has none. */
  load(arg: number, address: string): string | null {
    return this.#memoryOf(arg)?.load(this.#args[arg]!.dtype, this.#within(arg, address)) ?? null;
  }

  /** A statement that writes a value; null where the argument has no elements. */
  store(arg: number, address: string, value: string): string | null {
    return this.#memoryOf(arg)?.store(this.#args[arg]!.dtype, this.#within(arg, address), value) ?? null;
  }

  /** The quad at `address`, a multiple of four, as a vector of values. */
  loadQuad(arg: number, address: string): string {
    return this.#memoryOf(arg)!.loadQuad(this.#args[arg]!.dtype, this.#within(arg, address));
  }

  /** A statement that writes a vector of values as a quad, or only its first `count` (u32). */
  storeQuad(arg: number, address: string, value: string, count: string | null = null): string {
    return this.#memoryOf(arg)!.storeQuad(this.#args[arg]!.dtype, this.#within(arg, address), value, count);
  }

  /** The atomic word of an element: of small ones, the word around it. For arguments that were named as atomic. */
  atomicWord(arg: number, address: string): string {
    return this.#memoryOf(arg)!.word(this.#args[arg]!.dtype, this.#within(arg, address));
  }

  #memoryOf(arg: number): Memory | null {
    const binding = this.#layout.bindingOf[arg]!;
    return binding === null ? null : this.#memories[binding]!;
  }

  #within(arg: number, address: string): string {
    const base = this.#layout.baseOf[arg]!;
    return base === 0 ? address : `${address} + ${base}`;
  }

  /** Makes the array `scratch` available: memory that the kernel asked for beside its arguments. */
  useScratch(type = "f32"): void {
    this.#scratch = type;
  }

  /** The whole shader. `lanes` invocations are a workgroup; `group` (u32) and `lane` (u32) are in scope of the body. */
  finish(groups: number, body: readonly string[], lanes = LANES): Dispatch {
    const { bindingOf, writable } = this.#layout;
    const bindings = writable.map((mayWrite, binding): BoundMemory => ({ memory: bindingOf.indexOf(binding), writable: mayWrite }));
    const scratch = `@group(0) @binding(${bindings.length}) var<storage, read_write> scratch: array<${this.#scratch}>;`;
    if (this.#scratch) bindings.push({ memory: "scratch", writable: true });
    const accessors = this.#memories.flatMap((memory) => memory.functions);
    const functions = functionsFor(this.#functions);
    const usesSubgroups = this.#extensions.has("subgroups");
    const text = [
      ...[...this.#extensions].sort().map((extension) => `enable ${extension};`),
      // That all invocations of a subgroup take part is seen to here; compilers cannot see it.
      ...(usesSubgroups ? ["diagnostic(off, subgroup_uniformity);"] : []),
      ...this.#memories.map((memory, binding) => memory.declaration(writable[binding]!)),
      ...(this.#scratch ? [scratch] : []),
      functions,
      ...accessors,
      ...this.#declarations,
      `@compute @workgroup_size(${lanes})`,
      `fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32${usesSubgroups ? ", @builtin(subgroup_size) subgroup_size: u32" : ""}) {`,
      `  let group = ${groups > MOST_GROUPS ? `group_id.x + group_id.y * ${MOST_GROUPS}u` : "group_id.x"};`,
      // A grid has two dimensions.
      ...(functions.includes(OPAQUE_ZERO) ? [`  ${OPAQUE_ZERO} = group_id.z;`] : []),
      ...indented(body),
      "}",
    ];
    return { wgsl: `${text.filter((line) => line !== "").join("\n")}\n`, groups, bindings };
  }
}

/** Lines moved in by one step; a line may hold several. */
export const indented = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => line.split("\n").map((part) => `  ${part}`));
