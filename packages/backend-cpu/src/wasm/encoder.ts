/**
 * WebAssembly as typed expressions. `f32x4.add(a, f32x4.splat(x))` is a value of type `Expression<"v128">` that a
 * `FunctionBuilder` (module.ts) writes down as bytes. Operand types are checked twice: by the compiler, because the
 * functions are typed from the rows of instructions.ts, and while building, so that generated code which lost its types
 * still fails at the instruction that is wrong and not in the engine's validator. Owns expressions and bytes; refuses
 * control flow and modules.
 *
 * An expression used twice is computed twice. Keep a value by setting a local; a `Local` is itself an expression.
 */
import { DormouseError } from "@dormouse/tensor";
import { instructions } from "./instructions.ts";
import type { Immediate, InstructionName, Row } from "./instructions.ts";

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";
/** The type of an expression that leaves nothing, such as a store. */
export type ResultType = ValueType | "void";

/** Code that does not type-check, found while it is built. */
export class CodeError extends DormouseError {}

/** Growing bytes with the number formats of the binary format. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(this.length + 1);
    this.#bytes[this.length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    const end = this.length + values.length;
    if (end > this.#bytes.length) this.#grow(end);
    if (values.length > 16) this.#bytes.set(values, this.length);
    else for (let i = 0; i < values.length; i++) this.#bytes[this.length + i] = values[i]!;
    this.length = end;
  }

  unsigned(value: number): void {
    this.bytes(unsignedBytes(value));
  }

  /** A length, then the bytes. */
  sized(values: ArrayLike<number>): void {
    this.unsigned(values.length);
    this.bytes(values);
  }

  /** A length, then the text, which is ASCII: a text encoder takes as long as all the rest of a module. */
  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** The bytes written so far, not copied. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** LEB128 of an unsigned integer below 2^32. */
export function unsignedBytes(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return (bytes.push(rest), bytes);
    bytes.push((rest % 128) | 128);
  }
}

function signedBytes(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    const last = rest === (low & 64 ? -1n : 0n);
    bytes.push(last ? low : low | 128);
    if (last) return bytes;
  }
}

function signedBytes32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ;) {
    const low = rest & 127;
    rest >>= 7;
    const last = rest === (low & 64 ? -1 : 0);
    bytes.push(last ? low : low | 128);
    if (last) return bytes;
  }
}

/** Operands, then the bytes of one instruction. */
export class Expression<T extends ResultType = ResultType> {
  readonly type: T;
  readonly name: string;
  readonly sources: readonly Expression[];
  readonly bytes: readonly number[];
  /** The function it can be used in, if it names a local. */
  readonly owner: object | undefined;

  constructor(type: T, name: string, sources: readonly Expression[], bytes: readonly number[], owner?: object) {
    this.type = type;
    this.name = name;
    this.sources = sources;
    this.bytes = bytes;
    this.owner = owner;
  }
}

/** A variable of one function; as an expression, its value. */
export class Local<T extends ValueType = ValueType> extends Expression<T> {
  readonly index: number;

  constructor(type: T, index: number, owner: object) {
    super(type, "local.get", [], [0x20, ...unsignedBytes(index)], owner);
    this.index = index;
  }
}

/** `condition ? whenTrue : whenFalse`, evaluating only the side taken. */
export class Choice<T extends ValueType = ValueType> extends Expression<T> {
  readonly whenTrue: Expression<T>;
  readonly whenFalse: Expression<T>;

  constructor(condition: Expression<"i32">, whenTrue: Expression<T>, whenFalse: Expression<T>) {
    checkOperands("if", [condition, whenTrue, whenFalse], ["i32", whenTrue.type, whenTrue.type]);
    super(whenTrue.type, "if", [condition], []);
    this.whenTrue = whenTrue;
    this.whenFalse = whenFalse;
  }
}

/** The byte that stands for each type in the binary format; 0x40 is an empty block. */
export const typeBytes: Record<ResultType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  void: 0x40,
};

/** Writes `expression` in stack order. Locals must belong to `owner`. */
export function writeExpression(out: ByteWriter, expression: Expression, owner: object): void {
  for (const source of expression.sources) writeExpression(out, source, owner);
  if (expression instanceof Choice) {
    out.byte(0x04);
    out.byte(typeBytes[expression.type as ValueType]);
    writeExpression(out, expression.whenTrue, owner);
    out.byte(0x05);
    writeExpression(out, expression.whenFalse, owner);
    out.byte(0x0b);
    return;
  }
  if (expression.owner !== undefined && expression.owner !== owner) {
    throw new CodeError(expression.name, "the local belongs to another function", {
      hint: "pass the value as a parameter",
    });
  }
  out.bytes(expression.bytes);
}

/** Throws unless `sources` have the types in `expected`. */
export function checkOperands(name: string, sources: readonly Expression[], expected: readonly ResultType[]): void {
  for (let i = 0; i < Math.max(sources.length, expected.length); i++) {
    if (sources[i]?.type === expected[i]) continue;
    const received = sources.map((source) => source?.type ?? "nothing");
    throw new CodeError(name, `operands are (${received.join(", ")}), not (${expected.join(", ")})`, {
      expected,
      received,
    });
  }
}

const letters = { i: "i32", l: "i64", f: "f32", d: "f64", v: "v128" } as const;
type Letters = typeof letters;

type Operands<S extends string> = S extends `${infer L extends keyof Letters}${infer Rest}`
  ? [operand: Expression<Letters[L]>, ...Operands<Rest>]
  : [];
type Result<S extends string> = S extends keyof Letters ? Letters[S] : "void";
interface Immediates {
  memory: [offset?: number];
  lane: [lane: number];
  memoryLane: [lane: number, offset?: number];
  shuffle: [lanes: readonly number[]];
  zero: [];
  zeros: [];
}
type ImmediatesOf<R> = R extends readonly [number, string, infer I extends Immediate, ...unknown[]]
  ? Immediates[I]
  : [];
type Instruction<R> = R extends readonly [number, `${infer In}>${infer Out}`, ...unknown[]]
  ? (...operands: [...Operands<In>, ...ImmediatesOf<R>]) => Expression<Result<Out>>
  : never;
type Group<P extends string> = {
  readonly [K in InstructionName as K extends `${P}.${infer Method}` ? Method : never]: Instruction<
    (typeof instructions)[K]
  >;
};

function opcodeBytes(opcode: number): number[] {
  return opcode < 0x100 ? [opcode] : [opcode >> 12, ...unsignedBytes(opcode & 0xfff)];
}

function instruction(
  name: string,
  [opcode, signature, immediate, alignment = 0]: Row,
): (...operands: unknown[]) => Expression {
  const [inputs, output] = signature.split(">") as [string, string];
  const expected = [...inputs].map((letter) => letters[letter as keyof Letters]);
  const type: ResultType = output === "" ? "void" : letters[output as keyof Letters];
  const code = opcodeBytes(opcode);
  const count = expected.length;
  const encode = immediate && immediateBytes(name, immediate, alignment);
  return (...operands) => {
    // Further arguments are ignored, as everywhere in JavaScript: `parts.map(f32x4.neg)` passes an index too.
    const sources = (operands.length === count ? operands : operands.slice(0, count)) as Expression[];
    checkOperands(name, sources, expected);
    return new Expression(type, name, sources, encode ? [...code, ...encode(operands.slice(count))] : code);
  };
}

/** How the immediates of one instruction, as passed after its operands, become bytes. */
function immediateBytes(name: string, kind: Immediate, alignment: number): (values: unknown[]) => readonly number[] {
  const fail = (what: string, value: unknown): never => {
    throw new CodeError(name, `${what} is ${String(value)}`, { received: value });
  };
  const integer = (what: string, value: unknown, limit: number): number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < limit ? value : fail(what, value);
  const offset = (value: unknown): number[] => unsignedBytes(integer("offset", value ?? 0, 2 ** 32));
  const lanes = { i8x16: 16, i16x8: 8, i32x4: 4, i64x2: 2, f32x4: 4, f64x2: 2 }[name.slice(0, 5)] ?? 16 >> alignment;
  switch (kind) {
    case "memory":
      return ([at]) => [alignment, ...offset(at)];
    case "lane":
      return ([lane]) => [integer("lane", lane, lanes)];
    case "memoryLane":
      return ([lane, at]) => [alignment, ...offset(at), integer("lane", lane, lanes)];
    case "shuffle":
      return ([picks]) => {
        const list = picks as readonly number[];
        if (list.length !== 16) fail("number of lanes", list.length);
        return list.map((lane) => integer("lane", lane, 32));
      };
    case "zero":
      return () => [0];
    case "zeros":
      return () => [0, 0];
  }
}

function group<P extends string>(prefix: P): Group<P> {
  const methods: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(instructions)) {
    if (name.startsWith(`${prefix}.`)) methods[name.slice(prefix.length + 1)] = instruction(name, row);
  }
  return methods as Group<P>;
}

const constant = <T extends ValueType>(type: T, code: readonly number[], data: ArrayLike<number>): Expression<T> =>
  new Expression(type, `${type}.const`, [], [...code, ...Array.from(data)]);
const bytesOfArray = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer as ArrayBuffer);
const vector = (array: ArrayBufferView): Expression<"v128"> => {
  if (array.byteLength !== 16) throw new CodeError("v128.const", `has ${array.byteLength} bytes, not 16`);
  return constant("v128", [0xfd, 12], bytesOfArray(array));
};
/** One value for every lane, or one per lane. */
const lanesOf = (lanes: number, values: readonly number[]): readonly number[] =>
  values.length === 1 ? Array.from({ length: lanes }, () => values[0]!) : values;

export const i32 = {
  ...group("i32"),
  /** Any number is taken modulo 2^32, so that addresses and masks may be written unsigned. */
  const: (value: number) => constant("i32", [0x41], signedBytes32(value)),
};
export const i64 = {
  ...group("i64"),
  const: (value: bigint) => constant("i64", [0x42], signedBytes(BigInt.asIntN(64, value))),
};
export const f32 = {
  ...group("f32"),
  const: (value: number) => constant("f32", [0x43], bytesOfArray(new Float32Array([value]))),
};
export const f64 = {
  ...group("f64"),
  const: (value: number) => constant("f64", [0x44], bytesOfArray(new Float64Array([value]))),
};
export const v128 = group("v128");
export const i8x16 = {
  ...group("i8x16"),
  const: (...values: readonly number[]) => vector(new Uint8Array(lanesOf(16, values))),
};
export const i16x8 = {
  ...group("i16x8"),
  const: (...values: readonly number[]) => vector(new Uint16Array(lanesOf(8, values))),
};
export const i32x4 = {
  ...group("i32x4"),
  const: (...values: readonly number[]) => vector(new Int32Array(lanesOf(4, values))),
  /** Lanes 0..3 of `a`, 4..7 of `b`. */
  shuffle: (a: Expression<"v128">, b: Expression<"v128">, lanes: readonly number[]) =>
    i8x16.shuffle(
      a,
      b,
      lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]),
    ),
};
export const i64x2 = {
  ...group("i64x2"),
  const: (...values: readonly bigint[]) =>
    vector(new BigInt64Array(values.length === 1 ? [values[0]!, values[0]!] : values)),
  /** Lanes 0, 1 of `a`, 2, 3 of `b`. */
  shuffle: (a: Expression<"v128">, b: Expression<"v128">, lanes: readonly number[]) =>
    i8x16.shuffle(
      a,
      b,
      lanes.flatMap((lane) => Array.from({ length: 8 }, (_, byte) => 8 * lane + byte)),
    ),
};
export const f32x4 = {
  ...group("f32x4"),
  const: (...values: readonly number[]) => vector(new Float32Array(lanesOf(4, values))),
};
export const f64x2 = {
  ...group("f64x2"),
  const: (...values: readonly number[]) => vector(new Float64Array(lanesOf(2, values))),
};
export const memory = group("memory");
export const atomic = group("atomic");

/** `condition ? whenTrue : whenFalse`, evaluating both: cheap sides only. */
export function select<T extends ValueType>(
  condition: Expression<"i32">,
  whenTrue: Expression<T>,
  whenFalse: Expression<T>,
): Expression<T> {
  checkOperands("select", [whenTrue, whenFalse, condition], [whenTrue.type, whenTrue.type, "i32"]);
  return new Expression(whenTrue.type, "select", [whenTrue, whenFalse, condition], [0x1b]);
}

/** `condition ? whenTrue : whenFalse`, evaluating only the side taken. */
export const choose = <T extends ValueType>(
  condition: Expression<"i32">,
  whenTrue: Expression<T>,
  whenFalse: Expression<T>,
): Expression<T> => new Choice(condition, whenTrue, whenFalse);

/** Sets `local` and is the value it was set to. */
export function tee<T extends ValueType>(local: Local<T>, value: Expression<T>): Expression<T> {
  checkOperands("local.tee", [value], [local.type]);
  return new Expression(local.type, "local.tee", [value], [0x22, ...unsignedBytes(local.index)], local.owner);
}
