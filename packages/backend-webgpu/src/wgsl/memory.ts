/**
 * How the elements of one binding lie in its memory, and the text that reads and writes them. Owns packing; refuses to
 * know what is computed, and which arguments share a binding.
 *
 * `bool` and `uint8` have four elements in a word. Several invocations may write one word, so bytes that are written
 * one by one are atomic: each is cleared and set without touching its neighbors. The same goes for halves that share a
 * binding with other types; halves by themselves are elements of their own.
 *
 * A quad is four neighboring elements from a multiple of four on, read or written at once: a GPU reaches the bandwidth
 * of its memory only so. If all that is written to a binding are quads, its elements are vectors of four.
 */
import type { DType } from "@dormouse/tensor";
import type { KernelArgument } from "@dormouse/tensor/graph";

/** WGSL types of values. Bytes are computed with as u32; a half is an f32 that was rounded before. */
export const typeOf: Readonly<Record<DType, string>> = {
  float16: "f32",
  float32: "f32",
  float64: "f64",
  int32: "i32",
  uint32: "u32",
  uint8: "u32",
  bool: "bool",
};

const isByte = (dtype: DType): boolean => dtype === "uint8" || dtype === "bool";

/** The type of the elements of a binding that has only this dtype. */
const elementFor = (dtype: DType): string => (isByte(dtype) ? "u32" : dtype === "float16" ? "f16" : typeOf[dtype]);

/** Below this many bytes a binding may be rounded up to whole quads: no limit of a device is that small. */
const ROUNDED = 2 ** 27;

/** Bytes of a binding: whole quads where possible. The memory has them: its places are multiples of 64 bytes. */
export function boundBytes(bytes: number): number {
  const unit = bytes < ROUNDED ? 16 : 4;
  return Math.ceil(bytes / unit) * unit;
}

/** Whether the last elements of an argument lie in a quad of its binding. */
export const endsInQuad = ({ dtype, length }: KernelArgument): boolean =>
  length % 4 === 0 || length * (dtype === "float16" ? 2 : isByte(dtype) ? 1 : 4) < ROUNDED;

/** An argument in a binding, and how a shader uses it. */
export interface MemoryUse {
  readonly dtype: DType;
  readonly isWritten: boolean;
  /** Read in quads, and if it is written, then only so. */
  readonly inQuads: boolean;
  /** Added to atomically, as words. */
  readonly isAdded: boolean;
}

type Access = "load" | "store" | "loadQuad" | "storeQuad" | "storeSome";
const components = ["x", "y", "z", "w"] as const;

/** One binding of a shader. Accesses give expressions and statements; functions that these call are collected. */
export class Memory {
  readonly #name: string;
  readonly #binding: number;
  readonly #element: string;
  readonly #isAtomic: boolean;
  readonly #isQuads: boolean;
  readonly #used = new Map<string, string>();

  constructor(binding: number, uses: readonly MemoryUse[]) {
    const elements = new Set(uses.map(({ dtype }) => elementFor(dtype)));
    const isSmall = (dtype: DType): boolean => isByte(dtype) || (dtype === "float16" && elements.size > 1);
    this.#name = `b${binding}`;
    this.#binding = binding;
    this.#isAtomic = uses.some(
      ({ dtype, isWritten, inQuads, isAdded }) => isAdded || (isWritten && isSmall(dtype) && !(inQuads && isByte(dtype))),
    );
    this.#element = elements.size === 1 && !this.#isAtomic ? [...elements][0]! : "u32";
    this.#isQuads =
      elements.size === 1 && !this.#isAtomic && !isByte(uses[0]!.dtype) &&
      uses.some(({ inQuads }) => inQuads) && uses.every(({ inQuads, isWritten }) => inQuads || !isWritten);
  }

  /** Extensions of the language that the binding needs. */
  get extension(): string | null {
    return this.#element === "f16" ? "f16" : null;
  }

  /** The declaration of the binding. */
  declaration(isWritable: boolean): string {
    const element = this.#isAtomic ? "atomic<u32>" : this.#isQuads ? `vec4<${this.#element}>` : this.#element;
    return `@group(0) @binding(${this.#binding}) var<storage, ${isWritable ? "read_write" : "read"}> ${this.#name}: array<${element}>;`;
  }

  /** The functions that accesses call. */
  get functions(): readonly string[] {
    return [...this.#used].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  }

  /** The element at an address as a value. */
  load(dtype: DType, at: string): string {
    if (this.#isPacked(dtype)) {
      const part = `${this.#accessor("load", dtype)}(${at})`;
      return dtype === "bool" ? `(${part} != 0u)` : part;
    }
    const stored = this.#isQuads ? `${this.#name}[u32(${at}) >> 2u][u32(${at}) & 3u]` : `${this.#name}[${at}]`;
    if (this.#element === "f16") return `f32(${stored})`;
    const word = this.#isAtomic ? `atomicLoad(&${stored})` : stored;
    return this.#element === typeOf[dtype] ? word : `bitcast<${typeOf[dtype]}>(${word})`;
  }

  /** A statement that writes a value; not for a binding of quads. */
  store(dtype: DType, at: string, value: string): string {
    if (this.#isPacked(dtype)) return `${this.#accessor("store", dtype)}(${at}, ${dtype === "bool" ? `u32(${value})` : value});`;
    const element = this.#encoded(dtype, value);
    return this.#isAtomic ? `atomicStore(&${this.#name}[${at}], ${element});` : `${this.#name}[${at}] = ${element};`;
  }

  /** The quad at an address, a multiple of four, as a vector of values. */
  loadQuad = (dtype: DType, at: string): string => `${this.#accessor("loadQuad", dtype)}(${at})`;

  /** A statement that writes a vector of values, or the first `count` (u32) of them. */
  storeQuad(dtype: DType, at: string, value: string, count: string | null): string {
    return count === null
      ? `${this.#accessor("storeQuad", dtype)}(${at}, ${value});`
      : `${this.#accessor("storeSome", dtype)}(${at}, ${value}, ${count});`;
  }

  /** The atomic word around an element. */
  word(dtype: DType, at: string): string {
    return `${this.#name}[${this.#isPacked(dtype) ? `u32(${at}) >> ${isByte(dtype) ? 2 : 1}u` : at}]`;
  }

  /** Whether an element is a part of a word. */
  #isPacked = (dtype: DType): boolean => isByte(dtype) || (dtype === "float16" && this.#element !== "f16");

  /** A value as an element of the binding. */
  #encoded(dtype: DType, value: string): string {
    if (this.#element === "f16") return `f16(${value})`;
    return this.#element === typeOf[dtype] ? value : `bitcast<${this.#element}>(${value})`;
  }

  #accessor(what: Access, dtype: DType): string {
    const kind = { load: "load", store: "store", loadQuad: "load_quad", storeQuad: "store_quad", storeSome: "store_some" }[what];
    const name = `${kind}_${dtype}_${this.#binding}`;
    if (!this.#used.has(name)) this.#used.set(name, this.#text(what, dtype, name));
    return name;
  }

  #text(what: Access, dtype: DType, name: string): string {
    const vector = `vec4<${typeOf[dtype]}>`;
    const place = this.word(dtype, "at");
    const word = this.#isAtomic ? `atomicLoad(&${place})` : place;
    const quad = `${this.#name}[u32(at) >> 2u]`;
    switch (what) {
      case "load":
        return isByte(dtype)
          ? `fn ${name}(at: i32) -> u32 { return (${word} >> ((u32(at) & 3u) * 8u)) & 255u; }`
          : `fn ${name}(at: i32) -> f32 { return unpack2x16float(${word})[u32(at) & 1u]; }`;
      case "store": {
        const [type, shift, mask] = isByte(dtype) ? ["u32", "(u32(at) & 3u) * 8u", "255u"] : ["f32", "(u32(at) & 1u) * 16u", "65535u"];
        return `fn ${name}(at: i32, value: ${type}) {
  let shift = ${shift};
  atomicAnd(&${place}, ~(${mask} << shift));
  atomicOr(&${place}, ${isByte(dtype) ? "value" : "pack2x16float(vec2f(value, 0.0f))"} << shift);
}`;
      }
      case "loadQuad":
        if (isByte(dtype)) {
          const isSet = dtype === "bool" ? " != vec4<u32>()" : "";
          return `fn ${name}(at: i32) -> ${vector} { return ((vec4<u32>(${word}) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u))${isSet}; }`;
        }
        if (this.#isQuads) return `fn ${name}(at: i32) -> ${vector} { return ${this.#element === "f16" ? `vec4<f32>(${quad})` : quad}; }`;
        return `fn ${name}(at: i32) -> ${vector} { return ${vector}(${[0, 1, 2, 3].map((i) => this.load(dtype, `at + ${i}`)).join(", ")}); }`;
      case "storeQuad":
        return `fn ${name}(at: i32, value: ${vector}) { ${this.#quadStore(dtype, place, quad)} }`;
      case "storeSome":
        return `fn ${name}(at: i32, value: ${vector}, count: u32) {\n${this.#someStore(dtype, place, quad)}\n}`;
    }
  }

  /** `value` as a word of bytes. */
  #bytes = (dtype: DType): string => {
    const value = dtype === "bool" ? "vec4<u32>(value)" : "value";
    return `dot(${value}, vec4<u32>(1u, 256u, 65536u, 16777216u))`;
  };

  #quadStore(dtype: DType, place: string, quad: string): string {
    if (isByte(dtype)) return this.#isAtomic ? `atomicStore(&${place}, ${this.#bytes(dtype)});` : `${place} = ${this.#bytes(dtype)};`;
    if (!this.#isQuads) return components.map((c, i) => this.store(dtype, `at + ${i}`, `value.${c}`)).join(" ");
    return `${quad} = ${this.#element === "f16" ? "vec4<f16>(value)" : "value"};`;
  }

  #someStore(dtype: DType, place: string, quad: string): string {
    if (isByte(dtype)) {
      const mask = "  let mask = select(0xffffffffu, (1u << (8u * count)) - 1u, count < 4u);\n";
      return this.#isAtomic
        ? `${mask}  atomicAnd(&${place}, ~mask);\n  atomicOr(&${place}, ${this.#bytes(dtype)} & mask);`
        : `${mask}  ${place} = (${place} & ~mask) | (${this.#bytes(dtype)} & mask);`;
    }
    return components
      .map((c, i) => {
        const one = this.#isQuads ? `${quad}.${c} = ${this.#encoded(dtype, `value.${c}`)};` : this.store(dtype, `at + ${i}`, `value.${c}`);
        return `  if (count > ${i}u) { ${one} }`;
      })
      .join("\n");
  }
}
