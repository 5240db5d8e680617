/**
 * The text of one shader: bindings, the functions it calls, workgroup memory and an entry point. Owns how elements lie
 * in buffers and how a grid is folded to the three dimensions of a dispatch; refuses to know what is computed.
 *
 * `bool` and `uint8` have four elements in a word. Several invocations may write one word, so a buffer of bytes that a
 * kernel writes is atomic: every byte is cleared and set without touching its neighbors.
 */
import type { DType } from "@dormouse/tensor";
import type { KernelArgument } from "@dormouse/tensor/graph";
import { OPAQUE_ZERO, functionsFor } from "./math.ts";

/** Workgroups that a dispatch may have along one dimension; every adapter allows this many. */
export const MOST_GROUPS = 65535;
/** Invocations of a workgroup; every adapter allows this many. */
export const LANES = 256;
/** Invocations that share a matrix: most matrices are small, and a barrier costs what its workgroup is large. */
export const MATRIX_LANES = 64;

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

/** WGSL types of values. Bytes are computed with as u32. */
export const typeOf: Readonly<Record<DType, string>> = {
  float32: "f32",
  float64: "f64",
  int32: "i32",
  uint32: "u32",
  uint8: "u32",
  bool: "bool",
};

const isByte = (dtype: DType): boolean => dtype === "uint8" || dtype === "bool";

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

/** Collects a shader. Generators ask it for loads and stores, and hand it the body of `main`. */
export class Shader {
  readonly #args: readonly KernelArgument[];
  readonly #layout: Layout;
  readonly #functions = new Set<string>();
  readonly #declarations: string[] = [];
  readonly #accessors = new Set<string>();
  readonly #atomic: readonly number[];
  #names = 0;
  #scratch: "f32" | "u32" | null = null;

  /** `atomic`: arguments that are added to atomically, as words. */
  constructor(args: readonly KernelArgument[], layout: Layout, atomic: readonly number[] = []) {
    this.#args = args;
    this.#layout = layout;
    this.#atomic = atomic;
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

  /** The element at `address` as a value; null where the argument has none. */
  load(arg: number, address: string): string | null {
    const binding = this.#layout.bindingOf[arg]!;
    if (binding === null) return null;
    const { dtype } = this.#args[arg]!;
    const at = this.#within(arg, address);
    if (!isByte(dtype)) {
      const word = this.#isAtomic(binding) ? `atomicLoad(&b${binding}[${at}])` : `b${binding}[${at}]`;
      return this.#elementOf(binding) === typeOf[dtype] ? word : `bitcast<${typeOf[dtype]}>(${word})`;
    }
    this.#accessors.add(`load ${binding}`);
    const byte = `load_byte_${binding}(${at})`;
    return dtype === "bool" ? `(${byte} != 0u)` : byte;
  }

  /** A statement that writes a value; null where the argument has no elements. */
  store(arg: number, address: string, value: string): string | null {
    const binding = this.#layout.bindingOf[arg]!;
    if (binding === null) return null;
    const { dtype } = this.#args[arg]!;
    const at = this.#within(arg, address);
    if (!isByte(dtype)) {
      const element = this.#elementOf(binding);
      const word = element === typeOf[dtype] ? value : `bitcast<${element}>(${value})`;
      return this.#isAtomic(binding) ? `atomicStore(&b${binding}[${at}], ${word});` : `b${binding}[${at}] = ${word};`;
    }
    this.#accessors.add(`store ${binding}`);
    return `store_byte_${binding}(${at}, ${dtype === "bool" ? `u32(${value})` : value});`;
  }

  /** The atomic word of an element: of bytes, the word around it. For arguments that were named as atomic. */
  atomicWord(arg: number, address: string): string {
    const at = this.#within(arg, address);
    return `b${this.#layout.bindingOf[arg]!}[${isByte(this.#args[arg]!.dtype) ? `u32(${at}) >> 2u` : at}]`;
  }

  #within(arg: number, address: string): string {
    const base = this.#layout.baseOf[arg]!;
    return base === 0 ? address : `${address} + ${base}`;
  }

  /** Makes the array `scratch` available: memory that the kernel asked for beside its arguments. */
  useScratch(type: "f32" | "u32" = "f32"): void {
    this.#scratch = type;
  }

  /** The whole shader. `lanes` invocations are a workgroup; `group` (u32) and `lane` (u32) are in scope of the body. */
  finish(groups: number, body: readonly string[], lanes = LANES): Dispatch {
    const { bindingOf, writable } = this.#layout;
    const bindings = writable.map((mayWrite, binding): BoundMemory => ({ memory: bindingOf.indexOf(binding), writable: mayWrite }));
    const scratch = `@group(0) @binding(${bindings.length}) var<storage, read_write> scratch: array<${this.#scratch}>;`;
    if (this.#scratch) bindings.push({ memory: "scratch", writable: true });
    const functions = functionsFor(this.#functions);
    const text = [
      ...writable.map((_, binding) => this.#binding(binding)),
      ...(this.#scratch ? [scratch] : []),
      functions,
      ...[...this.#accessors].sort().map((accessor) => this.#accessor(accessor)),
      ...this.#declarations,
      `@compute @workgroup_size(${lanes})`,
      "fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {",
      `  let group = ${groups > MOST_GROUPS ? `group_id.x + group_id.y * ${MOST_GROUPS}u` : "group_id.x"};`,
      // A grid has two dimensions.
      ...(functions.includes(OPAQUE_ZERO) ? [`  ${OPAQUE_ZERO} = group_id.z;`] : []),
      ...indented(body),
      "}",
    ];
    return { wgsl: `${text.filter((line) => line !== "").join("\n")}\n`, groups, bindings };
  }

  #argumentsOf(binding: number): KernelArgument[] {
    return this.#args.filter((_, arg) => this.#layout.bindingOf[arg] === binding);
  }

  #isAtomic(binding: number): boolean {
    return (
      this.#atomic.some((arg) => this.#layout.bindingOf[arg] === binding) ||
      this.#argumentsOf(binding).some(({ dtype, access }) => access !== "read" && isByte(dtype))
    );
  }

  /** The type of the words of a binding: that of its arguments where they agree and are not atomic, else bits. */
  #elementOf(binding: number): string {
    if (this.#isAtomic(binding)) return "u32";
    const types = new Set(this.#argumentsOf(binding).map(({ dtype }) => (isByte(dtype) ? "u32" : typeOf[dtype])));
    return types.size === 1 ? [...types][0]! : "u32";
  }

  #binding(binding: number): string {
    const element = this.#isAtomic(binding) ? "atomic<u32>" : this.#elementOf(binding);
    const access = this.#layout.writable[binding] ? "read_write" : "read";
    return `@group(0) @binding(${binding}) var<storage, ${access}> b${binding}: array<${element}>;`;
  }

  #accessor(accessor: string): string {
    const [what, binding] = accessor.split(" ") as ["load" | "store", string];
    const word = `b${binding}[u32(at) >> 2u]`;
    if (what === "load") {
      const value = this.#isAtomic(Number(binding)) ? `atomicLoad(&${word})` : word;
      return `fn load_byte_${binding}(at: i32) -> u32 { return (${value} >> ((u32(at) & 3u) * 8u)) & 255u; }`;
    }
    return `fn store_byte_${binding}(at: i32, value: u32) {
  let shift = (u32(at) & 3u) * 8u;
  atomicAnd(&${word}, ~(255u << shift));
  atomicOr(&${word}, value << shift);
}`;
  }
}

/** Lines moved in by one step; a line may hold several. */
export const indented = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => line.split("\n").map((part) => `  ${part}`));
