/**
 * Modules and functions: the statement half of the WebAssembly builder. A `ModuleBuilder` collects imports and
 * functions and becomes bytes; a `FunctionBuilder` writes statements, with loops and branches as nested callbacks, so
 * that generated code has the shape of the generator. Owns sections, indices and labels; refuses to know what any
 * function computes.
 *
 * @example
 * const module = new ModuleBuilder();
 * module.importMemory("env", "memory", { initial: 1, maximum: 1, shared: true });
 * module.function({ name: "sum", parameters: { from: "i32", to: "i32" }, result: "f32", export: true }, (f, { from, to }) => {
 *   const total = f.local("f32");
 *   f.count(from, to, 4, () => f.set(total, f32.add(total, f32.load(from))));
 *   return total;
 * });
 * new WebAssembly.Module(module.bytes());
 */
import {
  ByteWriter,
  CodeError,
  Expression,
  Local,
  appendUnsigned,
  checkOperands,
  i32,
  typeBytes,
  writeExpression,
} from "./encoder.ts";
import type { ResultType, ValueType } from "./encoder.ts";

type Parameters = Readonly<Record<string, ValueType>>;
/** The parameters of a function as locals of its body, by name. */
export type ParameterLocals<P extends Parameters> = { readonly [K in keyof P]: Local<P[K]> };

/** A function that can be called from any function of its module. */
export interface FunctionReference<R extends ResultType = ResultType> {
  readonly index: number;
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result: R;
}

/** A function that returns nothing. */
export type Procedure = FunctionReference<"void">;

interface Signature<P extends Parameters, R extends ResultType> {
  readonly name: string;
  readonly parameters: P;
  readonly result?: R;
  /** Export it under its name. */
  readonly export?: boolean;
  /**
   * Functions of equal keys have equal code, which calls no function: one function in a module, whose code is kept for
   * later modules.
   */
  readonly key?: string;
}

/** The code of functions with a key: writing a tile takes a millisecond in a process that has just started. */
const knownBodies = new Map<string, Uint8Array>();

export interface MemoryLimits {
  /** In pages of 64 KiB. */
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** Where a branch goes: the end of a block or the start of a loop. */
export interface Label {
  readonly depth: number;
  readonly owner: FunctionBuilder;
}

const end = 0x0b;

/** Writes the body of one function, statement by statement. */
export class FunctionBuilder {
  readonly module: ModuleBuilder;
  readonly name: string;
  readonly #parameters: readonly ValueType[];
  readonly #result: ResultType;
  readonly #locals: ValueType[] = [];
  readonly #prologue = new ByteWriter();
  readonly #code = new ByteWriter();
  readonly #constants = new Map<string, Local>();
  readonly #open: Label[] = [];

  constructor(module: ModuleBuilder, name: string, parameters: readonly ValueType[], result: ResultType) {
    this.module = module;
    this.name = name;
    this.#parameters = parameters;
    this.#result = result;
  }

  /** A new variable, zero at entry. */
  local<T extends ValueType>(type: T): Local<T> {
    this.#locals.push(type);
    return new Local(type, this.#parameters.length + this.#locals.length - 1, this);
  }

  /** `count` new variables. */
  locals<T extends ValueType>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** A new variable holding `value`. */
  let<T extends ValueType>(value: Expression<T>): Local<T> {
    const local = this.local(value.type);
    this.set(local, value);
    return local;
  }

  /**
   * A variable that holds a constant from the entry of the function on; equal constants share it. A `v128.const` inside
   * a loop is built again on every turn, so vector constants of loops belong here.
   */
  constant<T extends ValueType>(value: Expression<T>): Local<T> {
    if (value.sources.length > 0 || value instanceof Local) {
      throw new CodeError("constant", `${value.name} is not a constant instruction`, { hint: "use let" });
    }
    const key = String.fromCharCode(...value.bytes);
    let local = this.#constants.get(key);
    if (!local) {
      local = this.local(value.type);
      this.#prologue.bytes(value.bytes);
      this.#prologue.byte(0x21);
      this.#prologue.unsigned(local.index);
      this.#constants.set(key, local);
    }
    return local as Local<T>;
  }

  set<T extends ValueType>(local: Local<T>, value: Expression<T>): void {
    checkOperands("local.set", [value], [local.type]);
    if (local.owner !== this)
      throw new CodeError("local.set", `the local belongs to another function than ${this.name}`);
    writeExpression(this.#code, value, this);
    this.#code.byte(0x21);
    this.#code.unsigned(local.index);
  }

  /** `local += amount` for an i32. */
  increase(local: Local<"i32">, amount: Expression<"i32"> | number): void {
    this.set(local, i32.add(local, typeof amount === "number" ? i32.const(amount) : amount));
  }

  /** Runs expressions that leave nothing: stores, fills, calls. */
  do(...effects: readonly Expression<"void">[]): void {
    for (const effect of effects) {
      checkOperands("do", [effect], ["void"]);
      writeExpression(this.#code, effect, this);
    }
  }

  /** Runs an expression and forgets its value. */
  drop(value: Expression<ValueType>): void {
    writeExpression(this.#code, value, this);
    this.#code.byte(0x1a);
  }

  /** A block; branching to `exit` leaves it. */
  block(body: (exit: Label) => void): void {
    this.#structure(0x02, body);
  }

  /** A loop; it ends unless the body branches to `again`. */
  loop(body: (again: Label) => void): void {
    this.#structure(0x03, body);
  }

  if(condition: Expression<"i32">, whenTrue: (exit: Label) => void, whenFalse?: (exit: Label) => void): void {
    checkOperands("if", [condition], ["i32"]);
    writeExpression(this.#code, condition, this);
    this.#structure(0x04, (exit) => {
      whenTrue(exit);
      if (!whenFalse) return;
      this.#code.byte(0x05);
      whenFalse(exit);
    });
  }

  branch(label: Label): void {
    this.#branch(0x0c, label);
  }

  branchIf(label: Label, condition: Expression<"i32">): void {
    checkOperands("br_if", [condition], ["i32"]);
    writeExpression(this.#code, condition, this);
    this.#branch(0x0d, label);
  }

  /** Runs `body` while `counter < limit` (signed), adding `step` after each turn; `counter` starts as it is. */
  count(
    counter: Local<"i32">,
    limit: Expression<"i32">,
    step: number | Expression<"i32">,
    body: (exit: Label) => void,
  ): void {
    this.block((exit) => {
      this.branchIf(exit, i32.ge_s(counter, limit));
      this.loop((again) => {
        body(exit);
        this.increase(counter, step);
        this.branchIf(again, i32.lt_s(counter, limit));
      });
    });
  }

  return(value?: Expression<ValueType>): void {
    checkOperands("return", value ? [value] : [], this.#result === "void" ? [] : [this.#result]);
    if (value) writeExpression(this.#code, value, this);
    this.#code.byte(0x0f);
  }

  unreachable(): void {
    this.#code.byte(0x00);
  }

  /** The function as an entry of the code section. `value` is what its last statement leaves. */
  finish(value: Expression | undefined): Uint8Array {
    if (value) {
      checkOperands(`end of ${this.name}`, [value], [this.#result]);
      writeExpression(this.#code, value, this);
    } else if (this.#result !== "void") {
      this.unreachable();
    }
    const out = new ByteWriter();
    const runs: [number, ValueType][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    out.unsigned(runs.length);
    for (const [count, type] of runs) {
      out.unsigned(count);
      out.byte(typeBytes[type]);
    }
    out.bytes(this.#prologue.view());
    out.bytes(this.#code.view());
    out.byte(end);
    return out.view();
  }

  #structure(opcode: number, body: (label: Label) => void): void {
    this.#code.byte(opcode);
    this.#code.byte(typeBytes.void);
    const label: Label = { depth: this.#open.length, owner: this };
    this.#open.push(label);
    body(label);
    this.#open.pop();
    this.#code.byte(end);
  }

  #branch(opcode: number, label: Label): void {
    if (this.#open[label.depth] !== label) {
      throw new CodeError("br", `the label is not open in ${this.name}`, { hint: "branch only from inside its block" });
    }
    this.#code.byte(opcode);
    this.#code.unsigned(this.#open.length - 1 - label.depth);
  }
}

/** A module under construction. Imports come before functions. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeCode = new ByteWriter();
  readonly #imports = new ByteWriter();
  #importCount = 0;
  #hasTable = false;
  readonly #functions: FunctionReference[] = [];
  #importedFunctions = 0;
  readonly #typeOf: number[] = [];
  readonly #bodies: (Uint8Array | undefined)[] = [];
  readonly #exports = new ByteWriter();
  #exportCount = 0;
  readonly #shared = new Map<string, FunctionReference>();
  /** Ends every name that is exported from now on, so that several generators can write into one module. */
  exportSuffix = "";

  importMemory(module: string, name: string, { initial, maximum, shared }: MemoryLimits): void {
    this.#import(module, name, 0x02);
    this.#imports.byte(shared ? 0x03 : 0x01);
    this.#imports.unsigned(initial);
    this.#imports.unsigned(maximum);
  }

  /** A table of functions for `callIndirect`. */
  importTable(module: string, name: string, initial: number): void {
    this.#import(module, name, 0x01);
    this.#imports.bytes([0x70, 0x00]);
    this.#imports.unsigned(initial);
    this.#hasTable = true;
  }

  importFunction<R extends ResultType = "void">(
    module: string,
    name: string,
    parameters: readonly ValueType[],
    result: R = "void" as R,
  ): FunctionReference<R> {
    if (this.#bodies.length > 0)
      throw new CodeError("import", `${name} comes after a function`, { hint: "import first" });
    this.#import(module, name, 0x00);
    const type = this.#type(parameters, result);
    this.#imports.unsigned(type);
    this.#importedFunctions++;
    return this.#reference(name, parameters, result, type);
  }

  /** Defines a function; `body` may return the expression that is its result. */
  function<const P extends Parameters, R extends ResultType = "void">(
    signature: Signature<P, R>,
    body: (f: FunctionBuilder, parameters: ParameterLocals<P>, self: FunctionReference<R>) => Expression | void,
  ): FunctionReference<R> {
    const { key, name } = signature;
    const make = (): FunctionReference<R> => this.#define(signature, body);
    const reference = key === undefined ? make() : this.shared(`key ${key}`, make);
    if (signature.export) this.export(name, reference);
    return reference;
  }

  #define<P extends Parameters, R extends ResultType>(
    { name, parameters, key, ...signature }: Signature<P, R>,
    body: (f: FunctionBuilder, parameters: ParameterLocals<P>, self: FunctionReference<R>) => Expression | void,
  ): FunctionReference<R> {
    const types = Object.values(parameters);
    const result = signature.result ?? ("void" as R);
    const reference = this.#reference(name, types, result, this.#type(types, result));
    const slot = this.#bodies.push(undefined) - 1;
    const known = key === undefined ? undefined : knownBodies.get(key);
    if (known) {
      this.#bodies[slot] = known;
      return reference;
    }
    const f = new FunctionBuilder(this, name, types, result);
    const locals = Object.fromEntries(Object.keys(parameters).map((each, i) => [each, new Local(types[i]!, i, f)]));
    const bytes = f.finish(body(f, locals as ParameterLocals<P>, reference) ?? undefined);
    this.#bodies[slot] = bytes;
    if (key !== undefined) knownBodies.set(key, bytes);
    return reference;
  }

  /** The function that `make` defines when `name` is asked for the first time. */
  shared<R extends ResultType>(name: string, make: () => FunctionReference<R>): FunctionReference<R> {
    const known = this.#shared.get(name) ?? make();
    this.#shared.set(name, known);
    return known as FunctionReference<R>;
  }

  export(name: string, target: FunctionReference): void {
    this.#exports.name(name + this.exportSuffix);
    this.#exports.byte(0x00);
    this.#exports.unsigned(target.index);
    this.#exportCount++;
  }

  /** Calls `table[slot]`, which must have the given signature. */
  callIndirect<R extends ResultType = "void">(
    slot: Expression<"i32">,
    operands: readonly Expression<ValueType>[],
    result: R = "void" as R,
  ): Expression<R> {
    if (!this.#hasTable) throw new CodeError("call_indirect", "the module has no table", { hint: "importTable first" });
    checkOperands("call_indirect", [slot], ["i32"]);
    const type = this.#type(
      operands.map((operand) => operand.type),
      result,
    );
    return new Expression(result, "call_indirect", [...operands, slot], [...appendUnsigned([0x11], type), 0x00]);
  }

  /** The module in the binary format, with function names for profilers. */
  bytes(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, count: number, write: (content: ByteWriter) => void): void => {
      if (count === 0) return;
      const content = new ByteWriter();
      content.unsigned(count);
      write(content);
      out.byte(id);
      out.sized(content.view());
    };
    const defined = this.#typeOf.slice(this.#importedFunctions);
    section(1, this.#types.length, (content) => content.bytes(this.#typeCode.view()));
    section(2, this.#importCount, (content) => content.bytes(this.#imports.view()));
    section(3, defined.length, (content) => defined.forEach((type) => content.unsigned(type)));
    section(7, this.#exportCount, (content) => content.bytes(this.#exports.view()));
    section(10, this.#bodies.length, (content) => this.#bodies.forEach((body) => content.sized(body!)));
    out.byte(0);
    out.sized(this.#nameSection());
    return out.view();
  }

  #nameSection(): Uint8Array {
    const names = new ByteWriter();
    names.unsigned(this.#functions.length);
    for (const { index, name } of this.#functions) {
      names.unsigned(index);
      names.name(name);
    }
    const out = new ByteWriter();
    out.name("name");
    out.byte(1);
    out.sized(names.view());
    return out.view();
  }

  #import(module: string, name: string, kind: number): void {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(kind);
    this.#importCount++;
  }

  #type(parameters: readonly ValueType[], result: ResultType): number {
    const key = `${parameters.join()}>${result}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    this.#typeCode.byte(0x60);
    this.#typeCode.sized(parameters.map((type) => typeBytes[type]));
    this.#typeCode.sized(result === "void" ? [] : [typeBytes[result]]);
    return this.#types.push(key) - 1;
  }

  #reference<R extends ResultType>(
    name: string,
    parameters: readonly ValueType[],
    result: R,
    type: number,
  ): FunctionReference<R> {
    const reference = { index: this.#functions.length, name, parameters, result };
    this.#functions.push(reference);
    this.#typeOf.push(type);
    return reference;
  }
}

/** Calls a function of the module, or an imported one. */
export function call<R extends ResultType>(
  target: FunctionReference<R>,
  ...operands: readonly Expression[]
): Expression<R> {
  checkOperands(`call ${target.name}`, operands, target.parameters);
  return new Expression(target.result, `call ${target.name}`, operands, appendUnsigned([0x10], target.index));
}
