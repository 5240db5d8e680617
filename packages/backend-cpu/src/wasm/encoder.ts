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

  /** LEB128 of an integer from 0 to 2^32 - 1. */
  unsigned(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 128);
    this.byte(rest);
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

/** Appends LEB128 of an integer from 0 to 2^32 - 1 to `bytes`, which it returns. */
export function appendUnsigned(bytes: number[], value: number): number[] {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}

function appendSigned(bytes: number[], value: bigint): number[] {
  for (let rest = value; ;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    const last = rest === (low & 64 ? -1n : 0n);
    bytes.push(last ? low : low | 128);
    if (last) return bytes;
  }
}

function appendSigned32(bytes: number[], value: number): number[] {
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

const noSources: readonly Expression[] = [];

/** A variable of one function; as an expression, its value. */
export class Local<T extends ValueType = ValueType> extends Expression<T> {
  readonly index: number;

  constructor(type: T, index: number, owner: object) {
    super(type, "local.get", noSources, appendUnsigned([0x20], index), owner);
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
  const { sources, bytes } = expression;
  for (let i = 0; i < sources.length; i++) writeExpression(out, sources[i]!, owner);
  if (bytes.length === 0 && expression instanceof Choice) {
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
  out.bytes(bytes);
}

/** Throws unless `sources` have the types in `expected`. */
export function checkOperands(name: string, sources: readonly Expression[], expected: readonly ResultType[]): void {
  if (sources.length !== expected.length) return refuseOperands(name, sources, expected);
  for (let i = 0; i < expected.length; i++) {
    if (sources[i]?.type !== expected[i]) refuseOperands(name, sources, expected);
  }
}

function refuseOperands(name: string, sources: readonly Expression[], expected: readonly ResultType[]): never {
  const received = sources.map((source) => source?.type ?? "nothing");
  throw new CodeError(name, `operands are (${received.join(", ")}), not (${expected.join(", ")})`, {
    expected,
    received,
  });
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

/** What a call of an instruction needs, worked out when it is first used: a process uses few of them. */
interface Encoding {
  readonly expected: readonly ValueType[];
  readonly type: ResultType;
  readonly code: readonly number[];
  readonly append: ((code: number[], values: readonly unknown[]) => number[]) | undefined;
}

function encodingOf(name: string, [opcode, signature, immediate, alignment = 0]: Row): Encoding {
  const [inputs, output] = signature.split(">") as [string, string];
  return {
    expected: [...inputs].map((letter) => letters[letter as keyof Letters]),
    type: output === "" ? "void" : letters[output as keyof Letters],
    code: opcode < 0x100 ? [opcode] : appendUnsigned([opcode >> 12], opcode & 0xfff),
    append: immediate && appendImmediates(name, immediate, alignment),
  };
}

function instruction(name: string, row: Row): (...operands: unknown[]) => Expression {
  let encoding: Encoding | undefined;
  return (...operands) => {
    const { expected, type, code, append } = (encoding ??= encodingOf(name, row));
    const count = expected.length;
    // Further arguments are ignored, as everywhere in JavaScript: `parts.map(f32x4.neg)` passes an index too.
    const sources = (operands.length === count ? operands : operands.slice(0, count)) as Expression[];
    checkOperands(name, sources, expected);
    return new Expression(type, name, sources, append ? append(code.slice(), operands.slice(count)) : code);
  };
}

/** How the immediates of one instruction, as passed after its operands, are appended to its code. */
function appendImmediates(name: string, kind: Immediate, alignment: number): NonNullable<Encoding["append"]> {
  const fail = (what: string, value: unknown): never => {
    throw new CodeError(name, `${what} is ${String(value)}`, { received: value });
  };
  const integer = (what: string, value: unknown, limit: number): number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < limit ? value : fail(what, value);
  const address = (code: number[], offset: unknown): number[] => {
    code.push(alignment);
    return appendUnsigned(code, integer("offset", offset ?? 0, 2 ** 32));
  };
  const lanes = { i8x16: 16, i16x8: 8, i32x4: 4, i64x2: 2, f32x4: 4, f64x2: 2 }[name.slice(0, 5)] ?? 16 >> alignment;
  switch (kind) {
    case "memory":
      return (code, [offset]) => address(code, offset);
    case "lane":
      return (code, [lane]) => (code.push(integer("lane", lane, lanes)), code);
    case "memoryLane":
      return (code, [lane, offset]) => (address(code, offset).push(integer("lane", lane, lanes)), code);
    case "shuffle":
      return (code, [picks]) => {
        const list = picks as readonly number[];
        if (list.length !== 16) fail("number of lanes", list.length);
        for (let i = 0; i < 16; i++) code.push(integer("lane", list[i], 32));
        return code;
      };
    case "zero":
      return (code) => (code.push(0), code);
    case "zeros":
      return (code) => (code.push(0, 0), code);
  }
}

/** The functions of every row, by the prefixes of their names. */
const groups: Record<string, Record<string, unknown>> = {};
for (const name in instructions) {
  const dot = name.indexOf(".");
  const prefix = name.slice(0, dot);
  (groups[prefix] ??= {})[name.slice(dot + 1)] = instruction(name, instructions[name as InstructionName]);
}

/** The instructions of one prefix, and what is added to them. */
const group = <P extends string, Rest extends object>(prefix: P, rest: Rest): Group<P> & Rest =>
  Object.assign(groups[prefix] as Group<P>, rest);

/** Constants of every type are written here and read back as bytes. */
const scratch = new DataView(new ArrayBuffer(16));

function constant<T extends ValueType>(type: T, code: number[], bytes: number): Expression<T> {
  for (let i = 0; i < bytes; i++) code.push(scratch.getUint8(i));
  return new Expression(type, `${type}.const`, noSources, code);
}

/** A constant vector of one value for every lane, or of one per lane, each of which `write` puts at its place. */
function vector<N>(bytes: number, values: readonly N[], write: (at: number, value: N) => void): Expression<"v128"> {
  const lanes = 16 / bytes;
  if (values.length !== 1 && values.length !== lanes) {
    throw new CodeError("v128.const", `has ${values.length * bytes} bytes, not 16`);
  }
  for (let lane = 0; lane < lanes; lane++) write(lane * bytes, values[values.length === 1 ? 0 : lane]!);
  return constant("v128", [0xfd, 12], 16);
}

/** Moves whole lanes of `bytes` bytes: 0 … n − 1 of `a`, n … 2n − 1 of `b`. */
function shuffle(bytes: number, a: Expression<"v128">, b: Expression<"v128">, lanes: readonly number[]): Expression<"v128"> {
  const picks: number[] = [];
  for (const lane of lanes) for (let byte = 0; byte < bytes; byte++) picks.push(bytes * lane + byte);
  return i8x16.shuffle(a, b, picks);
}

export const i32 = group("i32", {
  /** Any number is taken modulo 2^32, so that addresses and masks may be written unsigned. */
  const: (value: number) => new Expression("i32", "i32.const", noSources, appendSigned32([0x41], value)),
});
export const i64 = group("i64", {
  const: (value: bigint) => new Expression("i64", "i64.const", noSources, appendSigned([0x42], BigInt.asIntN(64, value))),
});
export const f32 = group("f32", {
  const: (value: number) => {
    scratch.setFloat32(0, value, true);
    return constant("f32", [0x43], 4);
  },
});
export const f64 = group("f64", {
  const: (value: number) => {
    scratch.setFloat64(0, value, true);
    return constant("f64", [0x44], 8);
  },
});
export const v128 = group("v128", {});
export const i8x16 = group("i8x16", {
  const: (...values: readonly number[]) => vector(1, values, (at, value) => scratch.setUint8(at, value)),
});
export const i16x8 = group("i16x8", {
  const: (...values: readonly number[]) => vector(2, values, (at, value) => scratch.setUint16(at, value, true)),
});
export const i32x4 = group("i32x4", {
  const: (...values: readonly number[]) => vector(4, values, (at, value) => scratch.setInt32(at, value, true)),
  /** Lanes 0..3 of `a`, 4..7 of `b`. */
  shuffle: (a: Expression<"v128">, b: Expression<"v128">, lanes: readonly number[]) => shuffle(4, a, b, lanes),
});
export const i64x2 = group("i64x2", {
  const: (...values: readonly bigint[]) => vector(8, values, (at, value) => scratch.setBigInt64(at, value, true)),
  /** Lanes 0, 1 of `a`, 2, 3 of `b`. */
  shuffle: (a: Expression<"v128">, b: Expression<"v128">, lanes: readonly number[]) => shuffle(8, a, b, lanes),
});
export const f32x4 = group("f32x4", {
  const: (...values: readonly number[]) => vector(4, values, (at, value) => scratch.setFloat32(at, value, true)),
});
export const f64x2 = group("f64x2", {
  const: (...values: readonly number[]) => vector(8, values, (at, value) => scratch.setFloat64(at, value, true)),
});
export const memory = group("memory", {});
export const atomic = group("atomic", {});

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
  return new Expression(local.type, "local.tee", [value], appendUnsigned([0x22], local.index), local.owner);
}
